"""Moving averages of weights: what is evaluated and exported in place of the weights themselves.

average(t) = decay · average(t-1) + (1 - decay) · weight(t), from average(0) = weight(0): Polyak averaging with a window
(Polyak and Juditsky 1992), which is what `tf.train.ExponentialMovingAverage` computes without `num_updates`.

Taken as it stands, the formula moves every row of every table in every step. The rows of a table are instead brought up
to date when they are touched: while a weight w stands still for k updates, its average comes closer to it by

    average(t+k) = w + decay^k · (average(t) - w),

which is the same formula k times. So a row keeps the number of the update that last touched it, and a step costs what
its rows cost, whatever the size of the table. Whoever reads an average in between applies the same closed form.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.saved_averages import STATE, caught_up, read_averages
from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT
from easymtl.layers.context import Parameter
from easymtl.training.made import if_made


class Average(tf.Module):
    """The moving average of one variable.

    Attributes:
        variable: what is averaged; for a table `[rows, width]`.
        decay: share of the average that an update keeps.
        value: of the shape of the variable; for a table each row as of its last update.
        updated_at: int64 `[rows]`, the number of that update; None where every update moves every row.
    """

    def __init__(self, variable: tf.Variable, decay: float, by_rows: bool):
        super().__init__()
        self.variable, self.decay = variable, decay
        name = variable.name.split(":")[0]
        self.updated_at: tf.Variable | None = None
        with tf.device(variable.device):
            self.value = tf.Variable(variable, trainable=False, name=f"{name}/{AVERAGE}")
            if by_rows:
                zeros = tf.zeros([variable.shape[0]], tf.int64)
                self.updated_at = tf.Variable(zeros, trainable=False, name=f"{name}/{UPDATED_AT}")

    def begin(self, step: int) -> None:
        """Starts the average anew: it is the weights as they are after `step` updates."""
        self.value.assign(self.variable)
        if self.updated_at is not None:
            self.updated_at.assign(tf.fill(self.updated_at.shape, tf.constant(step, tf.int64)))

    def follow(self, is_made: tf.Tensor | None = None) -> None:
        """Moves the whole average, the variable having been updated; see `if_made`."""
        # A weight that stands still leaves the average of it exactly where it is.
        share = if_made(is_made, tf.constant(1.0 - self.decay), 0.0)
        self.value.assign_sub(share * (self.value - self.variable))

    def follow_rows(
        self,
        numbers: tf.Tensor,
        before: tf.Tensor,
        after: tf.Tensor,
        step: tf.Tensor,
        is_made: tf.Tensor | None = None,
    ) -> None:
        """Moves the average of the rows that an update has touched.

        Args:
            numbers: int `[distinct]`, which rows.
            before: float32 `[distinct, width]`, the rows before the update: they have stood still since their last one.
            after: float32 `[distinct, width]`, the rows behind it.
            step: int64 scalar, the number of the update.
            is_made: see `if_made`.
        """
        step = tf.cast(step, tf.int64)
        assert self.updated_at is not None
        last, updated_at = tf.gather(self.value, numbers), tf.gather(self.updated_at, numbers)
        average = caught_up(last, before, step - 1 - updated_at, self.decay)
        average -= (1.0 - self.decay) * (average - after)
        write_rows(self.value, numbers, if_made(is_made, average, last))
        write_rows(self.updated_at, numbers, if_made(is_made, tf.fill(tf.shape(numbers), step), updated_at))

    def rows(self, numbers: tf.Tensor, weights: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Returns the average of rows after `step` updates, float32 `[distinct, width]`, given the rows themselves."""
        average = tf.gather(self.value, numbers)
        if self.updated_at is None:
            return average
        return caught_up(average, weights, step - tf.gather(self.updated_at, numbers), self.decay)


def write_rows(variable: tf.Variable, numbers: tf.Tensor, rows: tf.Tensor) -> None:
    """Overwrites rows of a variable, all at once."""
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=numbers, updates=rows)


def continue_averages(
    parameters: Mapping[str, Parameter],
    average_of: Callable[[tf.Variable], Average | None],
    folder: Path,
    state: Mapping[str, Any],
) -> None:
    """Goes on from a checkpoint whose averages are of another decay or other variables, or from one without any.

    Averages that it does not have begin at the weights.

    Args:
        parameters: by name, with the weights of the checkpoint.
        average_of: returns the average of a variable, which is overwritten, or None.
        folder: of the checkpoint.
        state: of the checkpoint.
    """
    found = {name: average for name, p in parameters.items() if (average := average_of(p.variable))}
    for average in {id(average): average for average in found.values()}.values():
        average.begin(int(state["step"]))
    if not state.get(STATE):
        return
    for piece, value in read_averages({name: parameters[name] for name in found}, folder, state):
        replace(piece, variable=found[piece.name].value).assign(value)
