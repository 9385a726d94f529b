"""Scoring that workers share out: each scores its part of the rows, and the chief has what all of them have found.

A part is every Nth run of the data, or every Nth batch. What workers find comes in any order, and is put into that of
the data: losses of pairs are formed among rows that stand together, and predictions are written as they were read.
"""

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from easymtl.data.rows import Rows
from easymtl.peers.peers import Peers
from easymtl.scoring.scored_batch import ScoredBatch
from easymtl.scoring.scorer import Scorer

_NUMBER_BYTES = 8
_DONE = 1 << 62


class Turn(NamedTuple):
    """A batch that a worker is to score.

    Attributes:
        place: where it stands among those of all workers; those of one place are of one worker, in their order. Place p
            is a matter of worker p mod N.
        rows: the batch.
    """

    place: int
    rows: Rows


Found = tuple[int, ScoredBatch | None]
"""The rows of a batch, and what was found of it, which the chief alone has."""


def scored(
    turns: Iterator[Turn],
    scorer: Scorer,
    peers: Peers,
    no_rows: Callable[[], Rows],
    before: Callable[[], None] = lambda: None,
) -> Iterator[Found]:
    """Yields what is found of all batches, in their order.

    Args:
        turns: the batches of this worker.
        scorer: of the same weights on all workers.
        peers: the workers.
        no_rows: returns a batch without rows.
        before: is called before each batch, on all workers as often.
    """
    if not peers.are_several:
        for turn in turns:
            before()
            yield turn.rows.num_rows, ScoredBatch.of(turn.rows, scorer)
        return
    order = _Order(peers)
    while True:
        before()
        own = next(turns, None)
        found = ScoredBatch.of(own.rows, scorer) if own else None
        if own is None and scorer.looks_up_together:
            scorer.score(no_rows())
        contents = peers.share_bytes(_message(own, found, peers.is_chief))
        for index, content in enumerate(contents):
            order.add(index, content, found if index == peers.index else None)
        yield from order.ready()
        if not any(contents):
            return


def rows_of_all(arrays: Sequence[np.ndarray], peers: Peers) -> list[np.ndarray]:
    """Returns the rows of all workers in their order, for each of several arrays `[rows, ...]`."""
    if not peers.are_several:
        return list(arrays)
    of_workers = [_unpacked(content, len(arrays)) for content in peers.share_bytes(_packed(list(arrays)))]
    return [np.concatenate(parts) for parts in zip(*of_workers)]


class _Waiting(NamedTuple):
    place: int
    num_rows: int
    found: ScoredBatch | bytes | None


class _Order:
    """Puts what workers have found into the order of the data."""

    def __init__(self, peers: Peers):
        self._peers = peers
        self._waiting: list[deque[_Waiting]] = [deque() for _ in range(peers.size)]
        # No worker goes back: what is before its place is all there.
        self._reached = [0] * peers.size
        self._place = 0

    def add(self, worker: int, content: bytes, found: ScoredBatch | None) -> None:
        """Takes what a worker has sent; nothing, when it has no more."""
        if not content:
            self._reached[worker] = _DONE
            return
        place, num_rows = (int.from_bytes(content[at : at + _NUMBER_BYTES], "little") for at in (0, _NUMBER_BYTES))
        self._reached[worker] = place
        # Only the chief looks at it.
        kept = (found or content[2 * _NUMBER_BYTES :]) if self._peers.is_chief else None
        self._waiting[worker].append(_Waiting(place, num_rows, kept))

    def ready(self) -> Iterator[Found]:
        """Yields what nothing will come before any more."""
        while any(self._waiting):
            worker = self._place % self._peers.size
            queue = self._waiting[worker]
            while queue and queue[0].place == self._place:
                one = queue.popleft()
                found = ScoredBatch.of_bytes(one.found) if isinstance(one.found, bytes) else one.found
                yield one.num_rows, found
            if self._reached[worker] <= self._place:
                return
            self._place += 1


def _message(turn: Turn | None, found: ScoredBatch | None, is_chief: bool) -> bytes:
    """Returns place and number of rows, and what the chief needs of another worker; nothing where there is no turn."""
    if turn is None or found is None:
        return b""
    head = b"".join(number.to_bytes(_NUMBER_BYTES, "little") for number in (turn.place, turn.rows.num_rows))
    return head + (b"" if is_chief else found.to_bytes())


def _packed(arrays: list[np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def _unpacked(content: bytes, number: int) -> list[np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(number)]
