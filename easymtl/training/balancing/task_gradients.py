"""The gradient of each task by itself: which weights several tasks share, how far they disagree, combinations."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import tensorflow as tf

from easymtl.errors import UserError
from easymtl.peers.peers import ONE, Peers

MaybeGradient: TypeAlias = tf.Tensor | None


class TaskGradients:
    """The gradients of K losses, each None where a loss does not reach a variable.

    Attributes:
        tasks: names of the tasks.
        shared: which of the dense variables more than one task reaches.
    """

    def __init__(
        self,
        tape: tf.GradientTape,
        losses: Mapping[str, tf.Tensor],
        dense: Sequence[tf.Variable],
        rows: Sequence[tf.Tensor],
        peers: Peers = ONE,
    ):
        """Goes backward once for each task.

        Args:
            tape: a persistent one.
            losses: float32 scalars by task.
            dense: the dense variables that are trained.
            rows: the distinct rows of each table variable, `[distinct, width]`.
            peers: the workers of which each has a share of the losses.
        """
        self._peers = peers
        self.tasks = list(losses)
        self._sources = [*dense, *rows]
        self._by_task = [tape.gradient(loss, self._sources) for loss in losses.values()]
        reached = [sum(gradients[index] is not None for gradients in self._by_task) for index in range(len(dense))]
        self.shared = [index for index, number in enumerate(reached) if number > 1]

    def require_shared(self, field: str) -> None:
        """Checks that the tasks have something to disagree about.

        Args:
            field: the field of the config that needs it.

        Raises:
            UserError: no dense weight is shared, or all of them are frozen.
        """
        if not self.shared and len(self.tasks) > 1:
            raise UserError(
                f"{field}: it looks at the dense weights that several tasks share, and no two tasks of this model "
                "train a dense weight together. Give the model shared layers (bottom_dnn, experts) that are not in "
                "freeze_gradient, or take a method that needs the losses alone: uncertainty, random, dwa."
            )

    def gram(self) -> tf.Tensor:
        """Returns the inner products of the gradients on the shared dense weights, float64 `[K, K]`, of all workers."""
        size = len(self.tasks)
        if not self.shared:
            return tf.zeros([size, size], tf.float64)
        [matrix] = self._peers.sum([tf.stack([self._flat(gradients) for gradients in self._by_task])])
        return tf.cast(tf.matmul(matrix, matrix, transpose_b=True), tf.float64)

    def _flat(self, gradients: Sequence[MaybeGradient]) -> tf.Tensor:
        """Returns the gradient of one task on all shared dense weights, `[size]`."""
        parts = []
        for index in self.shared:
            gradient = gradients[index]
            size = self._sources[index].shape.num_elements()
            parts.append(tf.zeros([size]) if gradient is None else tf.reshape(gradient, [size]))
        return tf.concat(parts, axis=0)

    def combine(self, shared: tf.Tensor, others: tf.Tensor | None) -> list[MaybeGradient]:
        """Returns Σ c_k g_k of every source, None where no task reaches it.

        Args:
            shared: float32 `[K]`, c of the shared dense weights.
            others: float32 `[K]`, c of tables and of the dense weights of one task; None for 1.
        """
        is_shared = set(self.shared)
        return [self._combined(index, shared if index in is_shared else others) for index in range(len(self._sources))]

    def _combined(self, index: int, coefficients: tf.Tensor | None) -> MaybeGradient:
        terms = []
        for number, gradients in enumerate(self._by_task):
            gradient = gradients[index]
            if gradient is not None:
                gradient = tf.convert_to_tensor(gradient)
                terms.append(gradient if coefficients is None else coefficients[number] * gradient)
        return tf.add_n(terms) if terms else None


def cosines(gram: tf.Tensor) -> tf.Tensor:
    """Returns the cosines between gradients, float32 `[K, K]`; NaN for a gradient that is 0."""
    norms = tf.sqrt(tf.linalg.diag_part(gram))
    return tf.cast(gram / (norms[:, tf.newaxis] * norms[tf.newaxis]), tf.float32)


def pairs(tasks: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the index pairs of different tasks."""
    return list(combinations(range(len(tasks)), 2))
