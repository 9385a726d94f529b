"""The factors of a sample's weight in one task, as functions of the batch's number columns."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.factors import Factor

__all__ = ["Factor", "factor_of"]


def factor_of(factor: Factor, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """Returns a factor of each sample's weight, float32 `[batch]`, finite also where the number is missing.

    Args:
        factor: how it is made.
        numbers: the number columns by name, `[batch]` each, NaN where missing.
    """
    value = tf.cast(numbers[factor.column.name], tf.float32)
    if factor.inside is None:
        return tf.where(tf.math.is_nan(value), tf.zeros_like(value), value)
    inside = tf.constant(factor.inside, tf.float32)
    return tf.where(value > 0, inside, tf.constant(factor.outside, tf.float32))
