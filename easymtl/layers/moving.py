"""What a pass moves beside weights, held back for its step: statistics of all batch norms in a dozen operations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Seen:
    """What a batch norm has seen of a batch that has rows.

    Attributes:
        count: variable, how often the statistics were moved, `[names]`.
        mean: variable, the moving mean `[width]`.
        variance: variable, the moving biased variance `[width]`.
        x: `[batch, columns]`, tells the number of rows.
        batch_mean: `[width]`, that of x.
        corrected: `[width]`, the variance of x with Bessel's correction.
        bias: `[width]`, what stands before the norm and was not added to x; None for nothing.
        momentum: share of the moving statistics that a batch leaves as it is.
    """

    count: tf.Variable
    mean: tf.Variable
    variance: tf.Variable
    x: tf.Tensor
    batch_mean: tf.Tensor
    corrected: tf.Tensor
    bias: tf.Tensor | None
    momentum: float


@dataclass(frozen=True)
class Joined:
    """New values of several variables, side by side in one vector.

    Attributes:
        variables: of one axis each.
        values: float32 `[numbers of all variables]`.
    """

    variables: tuple[tf.Variable, ...]
    values: tf.Tensor

    def apart(self) -> list[tf.Tensor]:
        """Returns the value of each variable."""
        return tf.split(self.values, [variable.shape[0] for variable in self.variables])


def moved_together(seen: Sequence[Seen]) -> list[Joined]:
    """Returns the counts, raised by 1, and the statistics, moved by what each norm has seen: to the bit as one by one.

    Args:
        seen: of norms, each once.
    """
    by_momentum: dict[float, list[Seen]] = {}
    for one in seen:
        by_momentum.setdefault(one.momentum, []).append(one)
    return [joined for momentum, group in by_momentum.items() for joined in _moved(group, momentum)]


def _moved(seen: Sequence[Seen], momentum: float) -> list[Joined]:
    counts = tuple(one.count for one in seen)
    moving = (*(one.mean for one in seen), *(one.variance for one in seen))
    before = tf.concat(moving, axis=0)
    means = [one.batch_mean if one.bias is None else one.batch_mean + one.bias for one in seen]
    value = tf.concat([*means, _biased(seen)], axis=0)
    return [
        Joined(counts, tf.concat(counts, axis=0) + 1.0),
        Joined(moving, before - (1.0 - momentum) * (before - value)),
    ]


def _biased(seen: Sequence[Seen]) -> tf.Tensor:
    """Returns the variances of all norms without Bessel's correction, one behind the other."""
    num_rows = tf.cast(tf.stack([tf.shape(one.x) for one in seen])[:, 0], tf.float32)
    factors = tf.maximum(num_rows - 1.0, 1.0) / num_rows
    norms = np.repeat(np.arange(len(seen), dtype=np.int32), [one.variance.shape[0] for one in seen])
    return tf.concat([one.corrected for one in seen], axis=0) * tf.gather(factors, norms)


class Pending:
    """New values of variables that a pass has made, held back: whether a step is made shows at its end.

    A variable that is moved twice in one pass is moved from where the first move has left it. The statistics of batch
    norms are moved together, when somebody first asks for what a pass has made.
    """

    def __init__(self) -> None:
        self._values: dict[object, tuple[tf.Variable, tf.Tensor]] = {}
        self._seen: dict[object, Seen] = {}
        self._joined: list[Joined] = []

    @property
    def values(self) -> list[tf.Tensor]:
        """The new values."""
        return [value for _, value in self._apart().values()]

    @property
    def variables(self) -> list[tf.Variable]:
        """The variables that have them, in the same order."""
        return [variable for variable, _ in self._apart().values()]

    @property
    def vectors(self) -> list[tf.Tensor]:
        """All numbers of the new values: those of several variables side by side where they were moved together."""
        return [*(value for _, value in self._values.values()), *(joined.values for joined in self._together())]

    def replace(self, values: Sequence[tf.Tensor]) -> None:
        """Gives the same variables other new values, in the order of `values`."""
        self._values = {key: (variable, value) for (key, (variable, _)), value in zip(self._apart().items(), values)}

    def __contains__(self, variable: tf.Variable) -> bool:
        """Returns whether a variable has a new value."""
        return variable.ref() in self._apart()

    def read(self, variable: tf.Variable) -> tf.Tensor:
        """Returns the new value of a variable, or the one it has."""
        found = self._apart().get(variable.ref())
        return tf.convert_to_tensor(variable) if found is None else found[1]

    def set(self, variable: tf.Variable, value: tf.Tensor) -> None:
        """Gives a variable a new value."""
        self._apart()[variable.ref()] = variable, value

    def follow(self, seen: Seen) -> bool:
        """Moves the statistics of a batch norm by what it has seen, unless they were moved in this pass before.

        Returns:
            Whether they are moved; else it goes on from `read`.
        """
        key = seen.count.ref()
        if key in self._values or key in self._seen or self._joined:
            return False
        self._seen[key] = seen
        return True

    def apply(self, is_made: tf.Tensor | None = None) -> None:
        """Moves the variables; where it is given, only if a bool scalar is true."""
        pairs = [pair for joined in self._together() for pair in zip(joined.variables, joined.apart())]
        for variable, value in [*self._values.values(), *pairs]:
            variable.assign(value if is_made is None else tf.where(is_made, value, variable))

    def _together(self) -> list[Joined]:
        """Returns what is moved together; nothing is added to it any more."""
        if self._seen:
            self._joined, self._seen = moved_together(list(self._seen.values())), {}
        return self._joined

    def _apart(self) -> dict[object, tuple[tf.Variable, tf.Tensor]]:
        """Returns the new value of each variable by its reference."""
        joined, self._joined = self._together(), []
        for one in joined:
            self._values |= {variable.ref(): (variable, value) for variable, value in zip(one.variables, one.apart())}
        return self._values
