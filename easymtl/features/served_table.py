"""A table as a server has it: rows of one width, in few bytes, with a zero row in front."""

import tensorflow as tf

from easymtl.features.narrow_rows import widened


class ServedTable:
    """The rows of all tables of a width behind a row of zeros, so that no id needs a mask.

    Attributes:
        parts: variables or tensors, see `narrow_rows.narrowed`: `[1 + rows, width]` and, of INT8, `[1 + rows, 1]`.
    """

    def __init__(self, *parts: tf.Tensor | tf.Variable):
        self.parts = parts

    def take(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns rows by their numbers, float32 `[..., width]`; no other row is widened."""
        return widened(tuple(tf.gather(part, rows) for part in self.parts))
