"""Methods that give each of K losses a weight, from nothing but the losses: one pass backward, through their sum.

A weighting is a function of the losses of a step. What it learns or remembers is in variables with names of their own,
which checkpoints hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.layers.context import Parameter, name_seed, salted
from easymtl.protos.train_pb2 import DynamicWeightAverage as DynamicWeightAverageConfig

Change = tuple[tf.Variable, tf.Tensor]


@dataclass(frozen=True)
class Weighted:
    """What becomes of K losses.

    Attributes:
        weights: float32 `[K]`, one for each loss.
        terms: float32 `[K]`, what is added to each weighted loss; 0 unless weights are trained.
        changes: variables with their values after the step.
    """

    weights: tf.Tensor
    terms: tf.Tensor
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Weighable:
    """A loss that gets a weight, be it of a task or one of several of a task.

    Attributes:
        name: of the task or of the loss.
        weight: the product of its weights in the config, which the loss has already.
        is_regression: whether it is a squared error.
    """

    name: str
    weight: float = 1.0
    is_regression: bool = False


class Weighting(tf.Module):
    """A method that weighs losses.

    Attributes:
        parameters: what checkpoints hold of it, by name.
        trained: the variables that the optimizer of the dense weights moves.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parameters: dict[str, Parameter] = {}
        self.trained: list[tf.Variable] = []

    def __call__(self, losses: tf.Tensor, seed: tf.Tensor) -> Weighted:
        """Returns the weights of this step.

        Args:
            losses: float32 `[K]`.
            seed: int64 `[2]`, the seed of the step.
        """
        raise NotImplementedError


class UncertaintyWeights(Weighting):
    """Weights from the noise of each loss, which is learned (Kendall et al. 2018, equations 7 and 10).

        weight w of the config times  exp(-s) L + s / 2      for classification, s = log σ² trained from 0
                                      exp(-s) L / 2 + s / 2  for regression

    At its best exp(-s) is 1 / (2 L), so w has to multiply both parts to count at all.
    """

    def __init__(self, losses: Sequence[Weighable], names: Sequence[str]):
        """Makes the variables s, under the given names."""
        super().__init__()
        self._factors = tf.constant([0.5 if loss.is_regression else 1.0 for loss in losses])
        self._config_weights = tf.constant([loss.weight for loss in losses], tf.float32)
        for name in names:
            variable = tf.Variable(tf.zeros([1]), name=name)
            self.trained.append(variable)
            self.parameters[name] = Parameter(name, variable, 0, 1, ())

    def __call__(self, losses: tf.Tensor, seed: tf.Tensor) -> Weighted:
        """Returns exp(-s), halved for regression, and s / 2; both with a gradient to s."""
        s = tf.concat([tf.convert_to_tensor(variable) for variable in self.trained], axis=0)
        return Weighted(self._factors * tf.exp(-s), 0.5 * self._config_weights * s)


class RandomWeights(Weighting):
    """Weights softmax(z) with z ~ N(0, 1), new in each step (Lin et al. 2022, section 3)."""

    def __init__(self, num_losses: int, total: float):
        """Makes a weighting of losses whose weights have this sum."""
        super().__init__()
        self._num_losses = num_losses
        self._total = total
        self._salt = name_seed(0, "task_balancing/random")

    def __call__(self, losses: tf.Tensor, seed: tf.Tensor) -> Weighted:
        """Returns the weights of the step with this seed."""
        noise = tf.random.stateless_normal([self._num_losses], salted(seed, self._salt))
        return Weighted(self._total * tf.nn.softmax(noise), tf.zeros([self._num_losses]))


@dataclass
class Memory:
    """Numbers of each task that a method keeps between steps, as `[K]` variables whose parts have names.

    Attributes:
        scope: of the names: `<scope>/<task>/<kind>`.
        tasks: names of the tasks.
        parameters: the parts by name.
    """

    scope: str
    tasks: Sequence[str]
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def make(self, kind: str, value: float = 0.0) -> tf.Variable:
        """Makes one number for each task."""
        size = len(self.tasks)
        variable = tf.Variable(tf.fill([size], tf.constant(value)), trainable=False, name=f"{self.scope}/{kind}")
        for index, task in enumerate(self.tasks):
            name = f"{self.scope}/{task}/{kind}"
            self.parameters[name] = Parameter(name, variable, index, 1, ())
        return variable


class DynamicWeightAverage(Weighting):
    """Weights from how fast each loss falls (Liu et al. 2019, equation 7): those that fall slowly get more.

        weight_k = K softmax_k(r / temperature),  r_k = last average of L_k / the average before

    The paper averages over epochs; here an average is over `window_steps`. Until there are two, all weights are 1.
    """

    def __init__(self, config: DynamicWeightAverageConfig, tasks: Sequence[str]):
        super().__init__()
        self._num_tasks = len(tasks)
        self._temperature = config.temperature
        self._window = float(config.window_steps)
        memory = Memory("task_balancing/dwa", tasks)
        self._sum, self._steps = memory.make("sum"), memory.make("steps")
        self._last, self._before = memory.make("last_average"), memory.make("average_before")
        self.parameters = memory.parameters

    def __call__(self, losses: tf.Tensor, seed: tf.Tensor) -> Weighted:
        """Returns the weights by the averages before this step, and the averages after it."""
        is_known = self._before > 0.0
        ratio = tf.where(is_known, tf.math.divide_no_nan(self._last, self._before), tf.ones([self._num_tasks]))
        weights = self._num_tasks * tf.nn.softmax(ratio / self._temperature)
        return Weighted(weights, tf.zeros([self._num_tasks]), self._changes(tf.stop_gradient(losses)))

    def _changes(self, losses: tf.Tensor) -> list[Change]:
        total, steps = self._sum + losses, self._steps + 1.0
        is_full = steps >= self._window
        return [
            (self._before, tf.where(is_full, self._last, self._before)),
            (self._last, tf.where(is_full, total / steps, self._last)),
            (self._sum, tf.where(is_full, tf.zeros_like(total), total)),
            (self._steps, tf.where(is_full, tf.zeros_like(steps), steps)),
        ]


def weights_by_name(names: Sequence[str], weights: tf.Tensor) -> Mapping[str, tf.Tensor]:
    """Returns the scalars of `[K]` weights by name."""
    return {name: weights[index] for index, name in enumerate(names)}
