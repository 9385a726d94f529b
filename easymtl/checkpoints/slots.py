"""What a checkpoint has to know of the optimizers of a training."""

from collections.abc import Mapping
from typing import Protocol

import tensorflow as tf


class Slots(Protocol):
    """Something that keeps numbers of the shape of a variable beside it, as optimizers do."""

    def slots_of(self, variable: tf.Variable) -> Mapping[str, tf.Variable]:
        """Returns the slots of a variable by name; empty for one that is not trained."""
