"""Methods that combine the gradients of K tasks, each a function of the inner products of those gradients alone.

Every one of them gives a combination Σ c_k g_k, so that only the K numbers c have to be found: from G Gᵀ, which is
K x K. The combination is scaled so that the c of the tasks average 1 where a paper leaves the scale open. A task whose
gradient is 0 (no sample of a batch is in its space) takes no part.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.layers.context import name_seed, salted
from easymtl.protos.train_pb2 import (
    MGDA as MGDAConfig,
)
from easymtl.protos.train_pb2 import (
    CAGrad as CAGradConfig,
)
from easymtl.protos.train_pb2 import (
    GradNorm as GradNormConfig,
)
from easymtl.protos.train_pb2 import (
    NashMTL as NashMTLConfig,
)
from easymtl.protos.train_pb2 import (
    Pareto as ParetoConfig,
)
from easymtl.training.balancing.combination import Combination, Combined, Gradients
from easymtl.training.balancing.solvers import nash_weights, nearest_weights
from easymtl.training.balancing.weightings import Memory

_ITERATIONS = 200
_LEAST_WEIGHT = 0.01


class PCGrad(Combination):
    """Projecting conflicting gradients (Yu et al. 2020, algorithm 1).

    Each gradient loses, for the others in random order, its part along those it conflicts with; the results are added.
    What a gradient has become is a combination of all of them, and its inner product with another is one of rows of
    G Gᵀ: row i of `rows` holds the combination for task i.
    """

    def __init__(self, config: Message, tasks: Sequence[str]):
        super().__init__()
        self._num_tasks = len(tasks)
        self._salt = name_seed(0, "task_balancing/pcgrad")

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the coefficients for the order of this step."""
        size = self._num_tasks
        order = tf.argsort(tf.random.stateless_uniform([size, size], salted(gradients.seed, self._salt)), axis=1)
        return Combined(tf.cast(pcgrad_coefficients(gradients.gram, order), tf.float32))


def pcgrad_coefficients(gram: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Returns the coefficients of PCGrad, float64 `[K]`.

    Args:
        gram: float64 `[K, K]`.
        order: int32 `[K, K]`; row i is the order in which task i meets the tasks, itself among them, which does
            nothing.
    """
    size = gram.shape[0]
    squares = tf.linalg.diag_part(gram)
    rows = tf.eye(size, dtype=tf.float64)
    for place in range(size):
        others = order[:, place]
        product = tf.reduce_sum(rows * tf.gather(gram, others), axis=1)
        conflicts = (product < 0.0) & (others != tf.range(size))
        share = tf.math.divide_no_nan(product, tf.gather(squares, others))
        share = tf.where(conflicts, share, tf.zeros_like(share))
        rows -= share[:, tf.newaxis] * tf.one_hot(others, size, dtype=tf.float64)
    return tf.reduce_sum(rows, axis=0)


class MGDA(Combination):
    """Multiple-gradient descent (Sener and Koltun 2018, equation 3): the shortest vector in the convex hull."""

    def __init__(self, config: MGDAConfig, tasks: Sequence[str]):
        super().__init__()
        self._num_tasks = len(tasks)
        self._num_iterations = config.max_iterations

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the weights of the shortest vector, times the number of tasks."""
        weights = shortest(gradients.gram, gradients.active, self._num_iterations)
        return Combined(tf.cast(gradients.num_active * weights, tf.float32))


def shortest(gram: tf.Tensor, active: tf.Tensor, num_iterations: int = _ITERATIONS) -> tf.Tensor:
    """Returns the weights of the shortest vector in the convex hull of the active gradients, float64 `[K]`."""
    one = tf.constant(1.0, tf.float64)
    return nearest_weights(gram, tf.zeros_like(gram[0]), one, active, num_iterations)


class CAGrad(Combination):
    """Conflict-averse gradient descent (Liu et al. 2021, algorithm 1).

        d = g_0 + c |g_0| g_w / |g_w|,  w = argmin over the simplex of g_w · g_0 + c |g_0| |g_w|,  g_w = Σ w_k g_k

    with g_0 the mean of the gradients. What is used is the number of tasks times d / (1 + c): their sum for c = 0, and
    for gradients that agree.
    """

    def __init__(self, config: CAGradConfig, tasks: Sequence[str]):
        super().__init__()
        self._radius = config.c

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the coefficients of d."""
        coefficients = cagrad_coefficients(gradients.gram, gradients.active, self._radius)
        return Combined(tf.cast(gradients.num_active / (1.0 + self._radius) * coefficients, tf.float32))


def cagrad_coefficients(gram: tf.Tensor, active: tf.Tensor, radius: float) -> tf.Tensor:
    """Returns the coefficients of d, float64 `[K]`."""
    share = tf.cast(active, tf.float64)
    mean = share / tf.maximum(tf.reduce_sum(share), 1.0)
    linear = tf.linalg.matvec(gram, mean)
    reach = radius * tf.sqrt(tf.maximum(tf.tensordot(mean, linear, 1), 0.0))
    weights = nearest_weights(gram, linear, reach, active, _ITERATIONS)
    length = tf.sqrt(tf.maximum(tf.tensordot(weights, tf.linalg.matvec(gram, weights), 1), 0.0))
    return mean + tf.math.divide_no_nan(reach, length) * weights


class NashMTL(Combination):
    """The Nash bargaining solution (Navon et al. 2022): coefficients a > 0 with G Gᵀ a = 1 / a.

    They do not depend on the scale of any loss. `update_every` keeps those of the last solution for some steps.
    """

    def __init__(self, config: NashMTLConfig, tasks: Sequence[str]):
        super().__init__()
        self.update_every = config.update_every
        self._last: tf.Variable | None = None
        if self.update_every > 1:
            memory = Memory("task_balancing/nash_mtl", tasks)
            self._last = memory.make("coefficient", 1.0)
            self.parameters = memory.parameters

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the solution, scaled so that it averages 1 over the tasks that take part."""
        share = tf.cast(gradients.active, tf.float64)
        weights = share * nash_weights(gradients.gram, gradients.active)
        total = tf.reduce_sum(weights)
        coefficients = tf.cast(weights * tf.math.divide_no_nan(gradients.num_active, total), tf.float32)
        if self._last is None:
            return Combined(coefficients)
        # A task that takes no part now may do so before the next solution.
        kept = tf.where(gradients.active, coefficients, self._last)
        return Combined(coefficients, [(self._last, kept)])

    def last(self) -> tf.Tensor:
        """Returns the coefficients of the last solution, float32 `[K]`."""
        assert self._last is not None, "a solution is kept only where update_every is above 1"
        return tf.convert_to_tensor(self._last)


class Pareto(Combination):
    """Weights of the losses on the way to the Pareto front, each above a floor (Lin et al. 2019, algorithm 1).

        minimize |Σ w_k g_k|²  with Σ w = 1 and w_k >= floor_k

    The paper solves it without the bounds and then projects; with w = floors + (1 - Σ floors) v it is the shortest
    vector in another convex hull, and solved as it stands.
    """

    weighs_losses = True

    def __init__(self, config: ParetoConfig, tasks: Sequence[str]):
        super().__init__()
        floors = {entry.tower_name: entry.min_weight for entry in config.floors}
        self._floors = tf.constant([floors.get(task, config.min_weight) for task in tasks], tf.float64)

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the weights, times the number of tasks."""
        weights = pareto_weights(gradients.gram, gradients.active, self._floors)
        return Combined(tf.cast(gradients.num_active * weights, tf.float32))


def pareto_weights(gram: tf.Tensor, active: tf.Tensor, floors: tf.Tensor) -> tf.Tensor:
    """Returns the weights w, float64 `[K]`; those of inactive tasks are 0."""
    floors = tf.where(active, floors, tf.zeros_like(floors))
    rest = 1.0 - tf.reduce_sum(floors)
    size = gram.shape[0]
    corners = tf.repeat(floors[:, tf.newaxis], size, axis=1) + rest * tf.eye(size, dtype=tf.float64)
    inner = tf.matmul(corners, tf.matmul(gram, corners), transpose_a=True)
    return floors + rest * shortest(inner, active)


class GradNorm(Combination):
    """Gradient normalization (Chen et al. 2018, algorithm 1).

    Weights w of the losses are moved so that all |w_k g_k| approach mean_j |w_j g_j| · r_k^alpha, where r_k is the
    share of the first loss that is left, L_k / L_k(0), over the mean share. One step of plain gradient descent on

        Σ_k | |w_k g_k| - target_k | / mean_j |w_j g_j|

    with targets and mean held fixed, then the weights are scaled back to an average of 1. The division makes the
    learning rate independent of the scale of the losses; the paper has none.
    """

    weighs_losses = True

    def __init__(self, config: GradNormConfig, tasks: Sequence[str]):
        super().__init__()
        self._alpha, self._rate = config.alpha, config.learning_rate
        memory = Memory("task_balancing/gradnorm", tasks)
        self._weights, self._first = memory.make("weight", 1.0), memory.make("first_loss")
        self.parameters = memory.parameters

    def __call__(self, gradients: Gradients) -> Combined:
        """Returns the weights of this step, and those after it."""
        first = tf.where(self._first > 0.0, self._first, tf.maximum(gradients.losses, 0.0))
        norms = tf.cast(tf.sqrt(tf.maximum(tf.linalg.diag_part(gradients.gram), 0.0)), tf.float32)
        left = tf.where(first > 0.0, tf.math.divide_no_nan(gradients.losses, first), tf.ones_like(first))
        moved = gradnorm_weights(self._weights, norms, left, self._alpha, self._rate)
        changes = [(self._weights, moved), (self._first, first)]
        return Combined(tf.convert_to_tensor(self._weights), changes)


def gradnorm_weights(weights: tf.Tensor, norms: tf.Tensor, left: tf.Tensor, alpha: float, rate: float) -> tf.Tensor:
    """Returns the weights after one step of GradNorm, float32 `[K]`.

    Args:
        weights: float32 `[K]`, those before.
        norms: float32 `[K]`, |g_k|, of unweighted losses; a task with 0 takes no part.
        left: float32 `[K]`, L_k / L_k(0).
        alpha: strength of the pull.
        rate: learning rate of the weights.
    """
    active = tf.cast(norms > 0.0, tf.float32)
    num_active = tf.maximum(tf.reduce_sum(active), 1.0)
    mean_norm = tf.reduce_sum(weights * norms) / num_active
    mean_left = tf.reduce_sum(active * left) / num_active
    pace = tf.maximum(tf.math.divide_no_nan(left, mean_left), 0.0)
    slope = tf.sign(weights * norms - mean_norm * tf.pow(pace, alpha)) * tf.math.divide_no_nan(norms, mean_norm)
    moved = tf.maximum(weights - rate * slope, _LEAST_WEIGHT)
    return moved * (moved.shape[0] / tf.reduce_sum(moved))


COMBINATIONS: dict[str, Callable[[Message, Sequence[str]], Combination]] = {
    "gradnorm": GradNorm,
    "pcgrad": PCGrad,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "nash_mtl": NashMTL,
    "pareto": Pareto,
}
