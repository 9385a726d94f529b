"""Batches that are in the memory of a GPU before steps ask for them: one is computed with, the next ones wait there."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from easymtl.data.background import Background
from easymtl.data.feed import Batch, Feed
from easymtl.data.rows import Rows
from easymtl.features.encoder import to_tensors

Tensors = Mapping[str, np.ndarray | tf.Tensor]

GPU = "/GPU:0"
_AHEAD = 2


@dataclass(frozen=True)
class PlacedBatch(Batch):
    """A batch whose numbers are on a device.

    Attributes:
        tensors: what a step is fed, see `placed`.
    """

    tensors: Tensors = field(default_factory=dict)


def tensors_of(batch: Batch, rows: Rows) -> Tensors:
    """Returns what a step is fed of a batch; nothing is copied where steps are made by the processor.

    Args:
        batch: may be on a device already.
        rows: its rows, or where tables grow those with rows of tables in the place of keys.
    """
    return batch.tensors if isinstance(batch, PlacedBatch) else to_tensors(rows)


def placed(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Returns the tensors of a batch with the numbers on the device.

    Ids and lengths stay on the host: the step finds the distinct ones there, and sends up what it makes of them.
    """
    with tf.device(GPU):
        return {
            name: tf.constant(array) if np.issubdtype(array.dtype, np.floating) else array
            for name, array in tensors.items()
        }


class PlacedFeed(Feed):
    """The batches of a feed, placed by a thread; with the position of the one that was handed out last."""

    def __init__(self, feed: Feed):
        """Starts the thread.

        Args:
            feed: is read by nobody else, and is closed with this one.
        """
        self._feed = feed
        self.source, self.cache = feed.source, feed.cache
        self.cursor, self.progress, self.wait_seconds = feed.cursor, feed.progress, 0.0
        # The thread must not hold the feed that it works for: then that would never be dropped.
        self._placed = Background(_placed(feed), _AHEAD, "easymtl-place")

    @property
    def num_encoded(self) -> int:
        """Returns how many record batches were read and encoded so far, about."""
        return self._feed.num_encoded

    def __next__(self) -> Batch:
        begin = time.perf_counter()
        try:
            batch = next(self._placed)
        except BaseException:
            self.close()
            raise
        finally:
            self.wait_seconds += time.perf_counter() - begin
        self.cursor, self.progress = batch.cursor, batch.progress
        return batch

    def __del__(self) -> None:
        self._placed.close()

    def close(self) -> None:
        """Ends the threads and drops what they hold. Iteration ends."""
        self._placed.close()
        self._feed.close()
        self._placed.join()


def _placed(batches: Iterator[Batch]) -> Iterator[PlacedBatch]:
    for batch in batches:
        tensors = placed(to_tensors(batch.rows))
        yield PlacedBatch(batch.rows, batch.cursor, batch.progress, batch.num_by_epoch, batch.run, tensors)
