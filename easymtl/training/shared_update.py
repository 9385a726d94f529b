"""What workers make of their gradients before an update: those of the rows of all of them, the same on each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from easymtl.features.embeddings import Embeddings, Lookup
from easymtl.layers.context import Pending
from easymtl.peers.peers import Peers
from easymtl.training.optimizers import RowGradient

_WORDS = {tf.int32: 1, tf.int64: 2}
"""float32 numbers that hold the bits of a row number."""


@dataclass(frozen=True)
class OfAll:
    """What a step knows of all workers.

    Attributes:
        gradients: of the dense weights.
        num_rows: float32 scalar, how many rows there are.
        flags: float32 `[NUM_FLAGS]`, how many workers have raised each of `Peers.flags`; None of one worker.
        squares: the sum of the squares of the gradients of rows, where each worker has other ones; else None.
    """

    gradients: list[tf.Tensor]
    num_rows: tf.Tensor
    flags: tf.Tensor | None = None
    squares: tf.Tensor | None = None


def sum_dense(
    gradients: Sequence[tf.Tensor],
    statistics: Pending,
    num_rows: tf.Tensor,
    peers: Peers,
    dealt_out: Sequence[RowGradient] = (),
) -> OfAll:
    """Returns what is added up over the workers, and gives statistics their mean over them, all in one operation.

    Args:
        gradients: of the dense weights, of this worker.
        statistics: what norms have seen of this worker's rows; a worker counts by the number of its rows.
        num_rows: float32 scalar, this worker's rows; without any the statistics are no numbers.
        peers: the workers.
        dealt_out: the gradients of this worker's rows of tables, where each worker has other ones.
    """
    if not peers.are_several:
        return OfAll(list(gradients), num_rows)
    assert peers.flags is not None
    seen = [tf.where(num_rows > 0, value, tf.zeros_like(value)) * num_rows for value in statistics.values]
    told = [num_rows, peers.flags.read_value(), sum_squares(dealt_out)]
    *sums, num_all, flags, squares = peers.sum([*gradients, *seen, *told])
    # Where nobody has a row the step is not made.
    statistics.replace([total / tf.maximum(num_all, 1) for total in sums[len(gradients) :]])
    return OfAll(sums[: len(gradients)], num_all, flags, squares if dealt_out else None)


def sum_rows(changes: Sequence[RowGradient], peers: Peers) -> list[RowGradient]:
    """Returns the gradients of the rows that any worker has touched, each row once, in one order on all workers."""
    if not peers.are_several or not changes:
        return list(changes)
    gathered = peers.gather([_packed(change) for change in changes])
    return [_merged(change, rows) for change, rows in zip(changes, gathered)]


def rows_of_owners(
    embeddings: Embeddings, lookups: Mapping[int, Lookup], gradients: Sequence[tf.Tensor]
) -> list[RowGradient]:
    """Returns the gradients of this worker's rows that any worker has touched, each row once, where rows are dealt out.

    Args:
        embeddings: the tables.
        lookups: of this worker's batch, by width.
        gradients: of the rows of each lookup.
    """
    if not lookups:
        return []
    exchange = next(iter(lookups.values())).exchange
    assert exchange is not None
    found = exchange.gradients(dict(zip(lookups, gradients)))
    return [_summed(embeddings.variable(width), exchange.wanted[width], gradient) for width, gradient in found.items()]


def sum_squares(changes: Sequence[RowGradient]) -> tf.Tensor:
    """Returns the sum of the squares of gradients, a float32 scalar."""
    return 2.0 * tf.add_n([tf.nn.l2_loss(change.gradient) for change in changes] or [tf.constant(0.0)])


def _summed(variable: tf.Variable, numbers: tf.Tensor, gradient: tf.Tensor) -> RowGradient:
    distinct, places = tf.unique(numbers)
    total = tf.math.unsorted_segment_sum(gradient, places, tf.size(distinct))
    return RowGradient(variable, distinct, tf.gather(variable, distinct), total)


def _packed(change: RowGradient) -> tf.Tensor:
    """Returns `[distinct, words + width]`: the bits of the number of each row, and its gradient."""
    numbers = change.row_numbers
    words = tf.reshape(tf.bitcast(numbers, tf.float32), [-1, _WORDS[numbers.dtype]])
    return tf.concat([words, change.gradient], axis=1)


def _merged(change: RowGradient, packed: tf.Tensor) -> RowGradient:
    dtype = change.row_numbers.dtype
    words, gradient = packed[:, : _WORDS[dtype]], packed[:, _WORDS[dtype] :]
    numbers = tf.bitcast(words[:, 0] if _WORDS[dtype] == 1 else words, dtype)
    return replace(_summed(change.variable, numbers, gradient), frozen=change.frozen)
