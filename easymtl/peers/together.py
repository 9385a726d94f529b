"""The time in which workers depend on each other: from where they have met to where all have done their work."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from easymtl.errors import Interrupted
from easymtl.peers.cluster import Cluster
from easymtl.peers.ending import say_on_standard_error
from easymtl.peers.judging import SILENCE_SECONDS
from easymtl.peers.meeting import JOIN_SECONDS, meet
from easymtl.peers.signs import Signs, SignsOfLife


@contextmanager
def together(
    cluster: Cluster,
    facts: Mapping[str, str],
    tell: Callable[[str], None] = say_on_standard_error,
    end: Callable[[str], None] = say_on_standard_error,
    join_timeout: float = JOIN_SECONDS,
    silence: float = SILENCE_SECONDS,
) -> Iterator[Signs]:
    """Meets the other workers, and watches over them while the block runs; a single worker has nobody to meet.

    Args:
        cluster: who works together.
        facts: what has to be the same on all workers, see `meet`.
        tell: is told whom this worker waits for.
        end: is told, by a thread of its own, which worker is lost; then this process ends with `EXIT_PEER_LOST`.
        join_timeout: seconds to wait for all.
        silence: seconds without a sign behind which a worker is lost.

    Yields:
        What the block tells of its progress.

    Raises:
        PeersError: some did not come, or the connection broke and nobody knows why.
        UserError: they are not of one training.
    """
    if cluster.size == 1:
        yield Signs()
        return
    signs = SignsOfLife(cluster, meet(cluster, facts, join_timeout, tell), end, silence)
    signs.start()
    try:
        yield signs
    except Interrupted:
        # All have stopped and saved by now; this one only has another exit code.
        signs.finish()
        raise
    except BaseException as error:
        signs.fail(error)
        raise
    signs.finish()
