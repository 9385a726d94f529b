"""Rows of unequal lengths as rectangles, padded behind each."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.limits import require_few_places


def longest(lengths: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the largest of several int64 `[n]`, at least 1."""
    return tf.reduce_max(tf.concat([tf.constant([1], tf.int64), *lengths], axis=0))


def padded(
    values: tf.Tensor, lengths: Sequence[tf.Tensor], sizes: Sequence[tf.Tensor], padding: int | float
) -> tf.Tensor:
    """Returns values `[m, ...]` as `[n, *sizes, ...]`.

    Args:
        values: those of one row behind those of another; of further axes the sizes are known.
        lengths: int64 `[n]`, the values of each row; of two levels the steps of each row, and the values of each step.
        sizes: scalars, no smaller than the largest of each of `lengths`.
        padding: what stands behind them.
    """
    starts = [tf.pad(tf.cumsum(one), [[1, 0]]) for one in lengths]
    whole = [tf.constant(size, tf.int64) for size in (-1, *values.shape[1:])]
    with tf.control_dependencies(require_few_places(tf.size(lengths[0], tf.int64), sizes)):
        return tf.raw_ops.RaggedTensorToTensor(
            shape=tf.stack([whole[0], *sizes, *whole[1:]]),
            values=values,
            default_value=tf.constant(padding, values.dtype),
            row_partition_tensors=starts,
            row_partition_types=["ROW_SPLITS"] * len(starts),
        )
