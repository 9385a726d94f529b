"""Batches that are in the memory of a GPU before steps ask for them: one is computed with, the next ones wait there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.data.windows import Batch
from easymtl.features.encoder import to_tensors

Tensors = Mapping[str, np.ndarray | tf.Tensor]

GPU = "/GPU:0"


@dataclass(frozen=True)
class PlacedBatch(Batch):
    """A batch whose numbers are on a device.

    Attributes:
        tensors: what a step is fed, see `place`.
    """

    tensors: Tensors = field(default_factory=dict)


def tensors_of(batch: Batch, rows: Rows) -> Tensors:
    """Returns what a step is fed of a batch; nothing is copied where steps are made by the processor.

    Args:
        batch: may be on a device already.
        rows: its rows, or where tables grow those with rows of tables in the place of keys.
    """
    return batch.tensors if isinstance(batch, PlacedBatch) else to_tensors(rows)


def place(batch: Batch) -> PlacedBatch:
    """Returns a batch with its numbers on the device.

    Ids and lengths stay on the host: the step finds the distinct ones there, and sends up what it makes of them.
    """
    with tf.device(GPU):
        tensors = {
            name: tf.constant(array) if np.issubdtype(array.dtype, np.floating) else array
            for name, array in to_tensors(batch.rows).items()
        }
    return PlacedBatch(batch.rows, batch.cursor, batch.progress, batch.num_by_epoch, batch.run, tensors)
