"""The factors of a sample's weight in one task, each a function of the batch's number columns.

A missing number arrives as NaN. Every factor turns it into a finite weight, because 0 · NaN would be NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from easymtl.features.numbers import NumberColumn


@dataclass(frozen=True)
class Value:
    """The number itself is the factor; a missing one is 0, as an empty field reads in the dialect.

    Attributes:
        column: that holds the number.
        keeps_in_space: whether a sample of weight 0 is still there for losses that compare it with others.
    """

    column: NumberColumn
    keeps_in_space: bool = False

    def __call__(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the factor of each sample, `[batch]`."""
        value = tf.cast(numbers[self.column.name], tf.float32)
        return tf.where(tf.math.is_nan(value), tf.zeros_like(value), value)


@dataclass(frozen=True)
class Space:
    """One factor for samples whose number is above 0, another for the rest; a missing number belongs to the rest."""

    column: NumberColumn
    inside: float
    outside: float
    keeps_in_space: bool = False

    def __call__(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the factor of each sample, `[batch]`."""
        value = tf.cast(numbers[self.column.name], tf.float32)
        inside = tf.constant(self.inside, tf.float32)
        return tf.where(value > 0, inside, tf.constant(self.outside, tf.float32))


Factor = Value | Space
