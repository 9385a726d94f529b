"""Optimizers of the config: who updates what, at which rate."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from easymtl.features.embeddings import ReadRows, on_device
from easymtl.protos.optimizer_pb2 import Optimizer as OptimizerConfig
from easymtl.training.averages import Average, write_rows
from easymtl.training.schedules import Schedule, make_schedule
from easymtl.training.touched_rows import TouchedRows
from easymtl.training.update_rules import UPDATE_RULES, Moment, UpdateRule


@dataclass(frozen=True)
class RowGradient:
    """The gradient of a table variable: rows without repeats, and one gradient for each.

    Attributes:
        variable: `[rows, width]`.
        row_numbers: int `[distinct]`.
        rows: float32 `[distinct, width]`, their values before the update: the forward pass has looked them up.
        gradient: float32 `[distinct, width]`.
        frozen: for each table in the variable that must not move, its row numbers.
    """

    variable: tf.Variable
    row_numbers: tf.Tensor
    rows: tf.Tensor
    gradient: tf.Tensor
    frozen: tuple[tf.Tensor, ...] = ()


class Optimizer(tf.Module):
    """An update rule with its slots, and with moving averages if they are asked for, for a fixed list of variables.

    Attributes:
        rule: the arithmetic.
        schedule: the learning rate by step.
        slots: of each variable, by name.
        averages: of each variable; empty without `use_moving_average`.
    """

    def __init__(self, config: OptimizerConfig, variables: Sequence[tf.Variable], are_tables: bool = False):
        super().__init__()
        kind = config.WhichOneof("optimizer")
        message = getattr(config, kind)
        self.rule: UpdateRule = UPDATE_RULES[kind](message)
        self.schedule: Schedule = make_schedule(message.learning_rate)
        self.slots: list[dict[str, tf.Variable]] = []
        self._index = {variable.ref(): index for index, variable in enumerate(variables)}
        for variable in variables:
            self.slots.append({name: self._slot(variable, name) for name in self.rule.slots})
        averaged = variables if config.use_moving_average else []
        by_rows = are_tables and not self.rule.moves_untouched_rows
        self.averages = [Average(variable, config.moving_average_decay, by_rows) for variable in averaged]

    def _slot(self, variable: tf.Variable, name: str) -> tf.Variable:
        with tf.device(variable.device):
            value = tf.fill(variable.shape, tf.constant(self.rule.slots[name], tf.float32))
            return tf.Variable(value, trainable=False)

    def slots_of(self, variable: tf.Variable) -> dict[str, tf.Variable]:
        """Returns the slots of a variable by name; empty for one that the optimizer does not know."""
        index = self._index.get(variable.ref())
        return {} if index is None else self.slots[index]

    def average_of(self, variable: tf.Variable) -> Average | None:
        """Returns the moving average of a variable; None without one."""
        index = self._index.get(variable.ref())
        return None if index is None or not self.averages else self.averages[index]

    def moment(self, learning_rate: tf.Tensor, step: tf.Tensor, is_made: tf.Tensor | None = None) -> Moment:
        """Returns what all updates of a step need: its learning rate, corrected, its number, and if it is made."""
        return Moment(self.rule.corrected_rate(Moment(learning_rate, step)), step, is_made)

    def apply(self, gradients: Sequence[tuple[tf.Variable, tf.Tensor]], moment: Moment) -> None:
        """Updates dense variables, each with a gradient of its own shape."""
        for variable, gradient in gradients:
            if self.rule.weight_decay:
                variable.assign_sub(moment.moved(tf.constant(self.rule.weight_decay), 0.0) * variable)
            self._apply_dense(variable, gradient, moment)
        for average in self.averages:
            average.follow(moment.is_made)

    def _apply_dense(self, variable: tf.Variable, gradient: tf.Tensor, moment: Moment) -> None:
        apply = self.rule.apply_dense if moment.is_made is None else self.rule.apply_dense_if_made
        apply(variable, self.slots_of(variable), gradient, moment)

    def apply_rows(self, change: RowGradient, moment: Moment) -> None:
        """Updates the touched rows of a table variable, or all of it where the rule asks for that."""
        slots, average = self.slots_of(change.variable), self.average_of(change.variable)
        numbers = change.row_numbers
        rows = change.rows
        if self.rule.weight_decay:
            rows *= 1.0 - self.rule.weight_decay
        if self.rule.moves_untouched_rows:
            if self.rule.weight_decay:
                write_rows(change.variable, numbers, moment.moved(rows, change.rows))
            # Moments of earlier updates would move rows that are frozen now.
            all_variables = (change.variable, *slots.values())
            kept = [(v, numbers, tf.gather(v, numbers)) for v in all_variables for numbers in change.frozen]
            self._apply_dense(change.variable, _dense(change), moment)
            for variable, numbers, rows in kept:
                write_rows(variable, numbers, rows)
            if average:
                average.follow(moment.is_made)
            return
        before = {name: tf.gather(slot, numbers) for name, slot in slots.items()}
        moved, after = self.rule.rows(rows, before, change.gradient, moment)
        write_rows(change.variable, numbers, moment.moved(moved, change.rows))
        for name, slot in slots.items():
            write_rows(slot, numbers, moment.moved(after[name], before[name]))
        if average:
            average.follow_rows(numbers, change.rows, moved, moment.step, moment.is_made)


def _dense(change: RowGradient) -> tf.Tensor:
    """Returns the gradient of the whole variable, `[rows, width]`."""
    shape = tf.constant(change.variable.shape.as_list(), tf.int64)
    return tf.scatter_nd(tf.cast(change.row_numbers, tf.int64)[:, tf.newaxis], change.gradient, shape)


class Optimizers(tf.Module):
    """The optimizer of the tables and that of the dense variables; one entry in the config serves both.

    Attributes:
        embedding: that of the tables.
        dense: that of the dense variables.
        touched: the rows of tables that updates have changed, if somebody wants to know.
    """

    def __init__(
        self,
        configs: Sequence[OptimizerConfig],
        tables: Sequence[tf.Variable],
        dense: Sequence[tf.Variable],
        table_device: str | None = None,
    ):
        """Makes the slots, each where its variable is.

        Args:
            configs: one for both, or that of the tables and that of the dense variables.
            tables: the table variables.
            dense: the dense variables.
            table_device: where rows of tables are updated; None for wherever TensorFlow does it.
        """
        super().__init__()
        self._table_device = table_device
        self.embedding = Optimizer(configs[0], tables, are_tables=True)
        self.dense = Optimizer(configs[-1], dense)
        first = configs[0]
        has_multiplier = first.HasField("embedding_learning_rate_multiplier")
        self.touched: TouchedRows | None = None
        self.embedding_multiplier = first.embedding_learning_rate_multiplier if has_multiplier else 1.0

    def learning_rates(self, step: int) -> tuple[float, float]:
        """Returns the learning rates of tables and of dense variables, `step` updates having been made."""
        return self.embedding.schedule(step) * self.embedding_multiplier, self.dense.schedule(step)

    def apply(
        self,
        dense: Sequence[tuple[tf.Variable, tf.Tensor]],
        tables: Sequence[RowGradient],
        learning_rates: tf.Tensor,
        step: tf.Tensor,
        is_made: tf.Tensor | None = None,
    ) -> None:
        """Makes one update, or leaves everything as it is.

        Args:
            dense: dense variables with their gradients.
            tables: the touched rows of the table variables with their gradients.
            learning_rates: float32 `[2]`, for tables and for dense variables.
            step: int64 scalar, number of updates including this one.
            is_made: bool scalar, see `Moment`.
        """
        with on_device(self._table_device):
            of_tables = self.embedding.moment(learning_rates[0], step, is_made)
            for change in tables:
                self.embedding.apply_rows(change, of_tables)
                if self.touched:
                    self.touched.mark(change.variable, change.row_numbers)
        self.dense.apply(dense, self.dense.moment(learning_rates[1], step, is_made))

    def slots_of(self, variable: tf.Variable) -> Mapping[str, tf.Variable]:
        """Returns the slots of a variable by name; empty for one that is not trained."""
        return self.embedding.slots_of(variable) or self.dense.slots_of(variable)

    def initial_slot(self, variable: tf.Variable, slot: str) -> float:
        """Returns what a slot of a variable holds before the first step."""
        optimizer = self.embedding if self.embedding.slots_of(variable) else self.dense
        return optimizer.rule.slots[slot]

    def average_of(self, variable: tf.Variable) -> Average | None:
        """Returns the moving average of a variable; None without one."""
        return self.embedding.average_of(variable) or self.dense.average_of(variable)

    def averaging(self) -> dict[str, Any]:
        """Returns which averages there are, as JSON can hold it: those of two trainings can be told apart by it."""
        decays = {"embedding": self.embedding.averages, "dense": self.dense.averages}
        found: dict[str, Any] = {name: averages[0].decay for name, averages in decays.items() if averages}
        if any(average.updated_at is not None for average in self.embedding.averages):
            found["by_rows"] = True
        return found

    def begin_averages(self, step: int) -> None:
        """Starts all moving averages anew, at the weights as they are after `step` updates."""
        for average in (*self.embedding.averages, *self.dense.averages):
            average.begin(step)

    def averaged_rows(self, step: tf.Variable) -> ReadRows:
        """Returns what reads the moving averages of rows after `step` updates; the rows themselves without averages."""

        def read(variable: tf.Variable, numbers: tf.Tensor) -> tf.Tensor:
            rows, average = tf.gather(variable, numbers), self.embedding.average_of(variable)
            return average.rows(numbers, rows, step.read_value()) if average else rows

        return read

    @contextmanager
    def averaged_dense_weights(self) -> Iterator[None]:
        """Puts the moving averages in the place of the dense weights for a while: for an evaluation."""
        kept = [(average.variable, tf.identity(average.variable)) for average in self.dense.averages]
        try:
            for average in self.dense.averages:
                average.variable.assign(average.value)
            yield
        finally:
            for variable, value in kept:
                variable.assign(value)
