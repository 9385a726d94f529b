"""Bags of several features interleaved row by row, in TensorFlow (the exported graph) and NumPy (training)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Ragged
from easymtl.features.pieces import Bags


def pack_bags(
    bags: Sequence[Bags], offsets: Sequence[int], is_weighted: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Interleaves the bags of K features.

    Args:
        bags: K pieces of the same n rows.
        offsets: of the table of each.
        is_weighted: whether to return weights.

    Returns:
        Ids `[m]` int64, segments `[m]` int32 (row · K + bag, ascending), weights `[m]` float32 or None.
    """
    lengths = tf.stack([bag.lengths for bag in bags], axis=1)
    starts = tf.stack([tf.cumsum(bag.lengths, exclusive=True) for bag in bags], axis=1)
    sizes = tf.stack([tf.size(bag.ids, out_type=tf.int64) for bag in bags])
    firsts = tf.cumsum(sizes, exclusive=True)
    starts = tf.reshape(starts + firsts, [-1])
    lengths = tf.reshape(lengths, [-1])
    positions = tf.raw_ops.RaggedRange(
        starts=starts, limits=starts + lengths, deltas=tf.constant(1, tf.int64)
    ).rt_dense_values
    ids = tf.concat([bag.ids + offset for bag, offset in zip(bags, offsets)], axis=0)
    segments = tf.searchsorted(tf.cumsum(lengths), tf.range(tf.reduce_sum(lengths)), side="right")
    if not is_weighted:
        return tf.gather(ids, positions), segments, None
    weights = [tf.ones_like(bag.ids, tf.float32) if bag.weights is None else bag.weights for bag in bags]
    return tf.gather(ids, positions), segments, tf.gather(tf.concat(weights, axis=0), positions)


def expand_bags(bags: Ragged) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns ids, segments and weights of packed bags, each `[m]`, as `pack_bags` does."""
    lengths = bags.lengths.reshape(-1)
    segments = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return bags.values, segments, bags.weights
