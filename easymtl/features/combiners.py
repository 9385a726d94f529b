"""Combiners, folded into the weights of a bag, so that the model only ever sums weight · vector."""

import tensorflow as tf

from easymtl.features.pieces import Bags
from easymtl.features.text import counts_by_row


def fold(bags: Bags, rows: tf.Tensor, combiner: str) -> Bags:
    """Returns bags whose weighted sum is what `combiner` makes of the bags given.

    Without weights: sum Σe, mean Σe / m, sqrtn Σe / sqrt(m) over the m entries. With weights: sum Σw·e as they are;
    mean Σw·e / Σw and sqrtn Σw·e / sqrt(Σw²) over the entries with w > 0 only, which are the ones kept.

    Args:
        bags: ids `[m]` and perhaps weights.
        rows: `[m]` int64, the bag of each entry.
        combiner: "sum", "mean" or "sqrtn".
    """
    if combiner == "sum":
        return bags
    squares = combiner == "sqrtn"
    if bags.weights is None:
        total = tf.cast(bags.lengths, tf.float64)
        share = tf.cast(1.0 / (tf.sqrt(total) if squares else total), tf.float32)
        return bags._replace(weights=tf.gather(share, rows))
    kept = tf.greater(bags.weights, 0)
    rows = tf.boolean_mask(rows, kept)
    num_bags = tf.shape(bags.lengths, out_type=tf.int64)[0]
    lengths = counts_by_row(tf.ones_like(rows), rows, num_bags)
    bags = Bags(tf.boolean_mask(bags.ids, kept), lengths, tf.boolean_mask(bags.weights, kept), bags.counts)
    # In float64: the squares and sums of float32 weights may be larger or smaller than any float32.
    weights = tf.cast(bags.weights, tf.float64)
    total = counts_by_row(tf.square(weights) if squares else weights, rows, num_bags)
    norm = tf.sqrt(total) if squares else total
    return bags._replace(weights=tf.cast(weights / tf.gather(norm, rows), tf.float32))
