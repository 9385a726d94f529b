"""What a checkpoint has to know of the optimizers of a training."""

from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf

AVERAGE = "ExponentialMovingAverage"
"""The name of a moving average in a checkpoint, behind that of its parameter: TensorFlow's own, and so EasyRec's."""

UPDATED_AT = f"{AVERAGE}_step"
"""The name of the numbers of the updates that have last touched each row of a table that has such an average."""


class Averaged(Protocol):
    """The moving average of a variable.

    Attributes:
        value: of the shape of the variable.
        updated_at: int64 `[rows]`, the number of the update that each row of the value is of; None for the last one.
    """

    value: tf.Variable
    updated_at: tf.Variable | None


class Slots(Protocol):
    """Something that keeps numbers of the shape of a variable beside it, as optimizers do."""

    def slots_of(self, variable: tf.Variable) -> Mapping[str, tf.Variable]:
        """Returns the slots of a variable by name; empty for one that is not trained."""

    def average_of(self, variable: tf.Variable) -> Averaged | None:
        """Returns the moving average of a variable; None for one that has none."""
