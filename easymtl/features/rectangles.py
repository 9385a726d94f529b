"""Rows of unequal lengths as rectangles, padded behind each."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.limits import require_few_places


def longest(lengths: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns the largest of several int64 `[n]`, at least 1."""
    # Of no rows, the largest is the smallest number that there is.
    together = lengths[0] if len(lengths) == 1 else tf.concat(lengths, axis=0)
    return tf.maximum(tf.reduce_max(together), tf.constant(1, tf.int64))


def padded(
    several: Sequence[tuple[tf.Tensor, int | float]],
    lengths: Sequence[tf.Tensor],
    sizes: Sequence[tf.Tensor],
    num_features: int = 1,
) -> list[tf.Tensor]:
    """Returns values `[m, ...]` as `[n, *sizes, ...]`, all of them at the same places.

    Args:
        several: values, those of one row behind those of another, and what stands behind those of each row; of further
            axes the sizes are known.
        lengths: int64 `[n]`, the values of each row; of two levels the steps of each row, and the values of each step.
        sizes: scalars, no smaller than the largest of each of `lengths`.
        num_features: whose rows stand one behind the other.
    """
    starts = [tf.pad(tf.cumsum(one), [[1, 0]]) for one in lengths]
    with tf.control_dependencies(require_few_places(tf.size(lengths[0], tf.int64), sizes, num_features)):
        return [_padded(values, padding, starts, sizes) for values, padding in several]


def _padded(
    values: tf.Tensor, padding: int | float, starts: Sequence[tf.Tensor], sizes: Sequence[tf.Tensor]
) -> tf.Tensor:
    whole = [tf.constant(size, tf.int64) for size in (-1, *values.shape[1:])]
    return tf.raw_ops.RaggedTensorToTensor(
        shape=tf.stack([whole[0], *sizes, *whole[1:]]),
        values=values,
        default_value=tf.constant(padding, values.dtype),
        row_partition_tensors=starts,
        row_partition_types=["ROW_SPLITS"] * len(starts),
    )
