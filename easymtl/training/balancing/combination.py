"""What a method that combines the gradients of tasks is told, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from easymtl.layers.context import Parameter
from easymtl.training.balancing.weightings import Change


@dataclass(frozen=True)
class Gradients:
    """What is known of the tasks' gradients on the dense weights that they share.

    Attributes:
        gram: float64 `[K, K]`, their inner products.
        losses: float32 `[K]`.
        seed: int64 `[2]`, the seed of the step.
    """

    gram: tf.Tensor
    losses: tf.Tensor
    seed: tf.Tensor

    @property
    def active(self) -> tf.Tensor:
        """Returns which gradients are not 0, bool `[K]`."""
        return tf.linalg.diag_part(self.gram) > 0.0

    @property
    def num_active(self) -> tf.Tensor:
        """Returns the number of gradients that are not 0, float64; at least 1."""
        return tf.maximum(tf.reduce_sum(tf.cast(self.active, tf.float64)), 1.0)


@dataclass(frozen=True)
class Combined:
    """The numbers of a combination.

    Attributes:
        coefficients: float32 `[K]`, of the gradients on shared dense weights.
        changes: variables with their values after the step.
    """

    coefficients: tf.Tensor
    changes: Sequence[Change] = ()


class Combination(tf.Module):
    """A method that combines gradients.

    Attributes:
        weighs_losses: whether the coefficients are weights of the losses, which count for all weights and tables, and
            not for the shared dense weights alone.
        parameters: what checkpoints hold of it, by name.
        update_every: steps between solutions; the last one holds between them.
    """

    weighs_losses = False

    def __init__(self) -> None:
        super().__init__()
        self.parameters: dict[str, Parameter] = {}
        self.update_every = 1

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the coefficients of a step."""
        raise NotImplementedError

    def last(self) -> tf.Tensor:
        """Returns the coefficients of the last solution, float32 `[K]`, where `update_every` is above 1."""
        raise NotImplementedError
