"""What losses compare the rows of a batch by, for those who want them of more rows than a batch has."""

from typing import NamedTuple

import tensorflow as tf


class Views(NamedTuple):
    """Two representations of each row, of a loss in which all rows stand beside each other.

    Attributes:
        first: of the rows, float32 `[batch, width]`.
        second: the other one of the same rows, `[batch, width]`.
        weight: what the loss is multiplied by, a float32 scalar.
        temperature: what the logits of the loss are divided by, a float32 scalar.
    """

    first: tf.Tensor
    second: tf.Tensor
    weight: tf.Tensor
    temperature: tf.Tensor
