"""The workers of `TF_CONFIG` in a command: whom they wait for, whom they lose, and that all do the same."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from easymtl import __version__
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import Config
from easymtl.errors import EXIT_PEER_LOST
from easymtl.peers.cluster import Cluster, read_cluster
from easymtl.peers.judging import SILENCE_SECONDS
from easymtl.peers.meeting import JOIN_SECONDS
from easymtl.peers.signs import Signs
from easymtl.peers.together import together
from easymtl.reporting.output import current
from easymtl.reporting.streams import say

if TYPE_CHECKING:
    from easymtl.peers.peers import Peers
    from easymtl.scoring.feed import Told
    from easymtl.training.events import Event, Listener


class Waits(NamedTuple):
    """How long workers wait for each other, in seconds.

    Attributes:
        join: for all to come.
        silence: for a sign of life.
    """

    join: float = JOIN_SECONDS
    silence: float = SILENCE_SECONDS


WAITS = Waits()


class Worker(NamedTuple):
    """This process among the others.

    Attributes:
        cluster: who works together.
        signs: what this worker tells of its progress.
    """

    cluster: Cluster = Cluster()
    signs: Signs = Signs()

    def alone(self, lock: AbstractContextManager) -> AbstractContextManager:
        """Returns what the chief does for all of them, and nothing for the others."""
        return lock if self.cluster.is_chief else nullcontext()

    def peers(self) -> "Peers":
        """Returns what the workers do together, once TensorFlow has connected them."""
        from easymtl.peers.peers import ONE
        from easymtl.peers.workers import Workers

        cluster = self.cluster
        if cluster.size == 1:
            return ONE
        return Workers(cluster.index, cluster.size, signs=self.signs, num_on_host=cluster.num_on_host)

    def beating(self, tell_progress: "Told", phase: str) -> "Told":
        """Returns the same, where telling how far a pass has come is a sign of life."""

        def tell(num_rows: int, share: float) -> None:
            self.signs.beat(phase)
            tell_progress(num_rows, share)

        return tell

    def start_tensorflow(self, inter_op_threads: int = 0, intra_op_threads: int = 0) -> None:
        """Starts TensorFlow, and connects the devices of all workers."""
        self.signs.beat("starting TensorFlow")
        start_tensorflow(inter_op_threads, intra_op_threads, self.cluster, lambda: self.signs.gather("joining"))


ALONE = Worker()
"""A process that has no others."""


def beats(signs: Signs) -> "Listener":
    """Returns a listener of training that takes each event for a sign of life."""

    def listen(event: "Event") -> None:
        signs.beat(getattr(event, "name", ""), getattr(event, "step", 0))

    return listen


def asked(signs: Signs, is_stopping: Callable[[], bool]) -> Callable[[], bool]:
    """Returns the same question, where asking it is a sign of life: before each batch of an evaluation."""

    def ask() -> bool:
        signs.beat()
        return is_stopping()

    return ask


@contextmanager
def as_worker(config: Config, command: str, waits: Waits = WAITS) -> Iterator[Worker]:
    """Meets the other workers that `TF_CONFIG` names, and watches over them while the block runs.

    Args:
        config: has to be the same on all of them.
        command: what is done; too.
        waits: how long to wait.

    Raises:
        UserError: `TF_CONFIG` is wrong, or the workers were started with different commands.
        PeersError: some did not come, or one was lost.
    """
    cluster = read_cluster(os.environ)
    facts = {
        "the version of easymtl": __version__,
        "the command": command,
        "the config": hashlib.sha256(config.text().encode()).hexdigest(),
    }
    if cluster.size > 1:
        current().phases.begin("waiting", f"for the other {cluster.size - 1} of {cluster.size} workers")
    # What to do next is told once, by the chief.
    current().is_unfinished |= not cluster.is_chief
    with together(cluster, facts, _tell, _tell_end, waits.join, waits.silence) as signs:
        yield Worker(cluster, signs)


def _tell(text: str) -> None:
    say(text, sys.stderr)


def _tell_end(text: str) -> None:
    output = current()
    output.phases.end()
    output.error(text, EXIT_PEER_LOST)
    say(f"easymtl {output.verb}: {text}", sys.stderr)
