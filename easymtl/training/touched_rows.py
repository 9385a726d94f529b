"""Which rows of tables steps have changed: what a checkpoint has to save of them."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from easymtl.layers.context import Parameter


class TouchedRows(tf.Module):
    """A mark for each row of some table variables, set in the step that changes the row: a byte each.

    The step knows them without repeats. Rows of an update that came to nothing may be marked, too: they are then saved
    though they need not be.
    """

    def __init__(self, variables: Iterable[tf.Variable]):
        super().__init__()
        # Rows of one mark: in a variable of one axis the same scatter takes a time that grows with the variable.
        self._marks = {variable.ref(): _marks_of(variable) for variable in variables}

    def mark(self, variable: tf.Variable, numbers: tf.Tensor) -> None:
        """Marks rows, int `[changed]`, of a variable; one that is not kept track of is left alone."""
        marks = self._marks.get(variable.ref())
        if marks is not None:
            updates = tf.fill([tf.size(numbers), 1], True)
            tf.raw_ops.ResourceScatterUpdate(resource=marks.handle, indices=numbers, updates=updates)

    def rows_of(self, table: Parameter) -> np.ndarray:
        """Returns the rows of a table that are marked, int64 `[changed]`, ascending, counted in the table."""
        marks = self._marks[table.variable.ref()].numpy()[:, 0]
        return np.flatnonzero(marks[table.begin : table.begin + table.num_rows]).astype(np.int64)

    def begin(self, tables: Iterable[tuple[Parameter, np.ndarray]] = ()) -> None:
        """Forgets all marks, then marks the given rows of tables."""
        for marks in self._marks.values():
            marks.assign(tf.zeros_like(marks))
        for table, rows in tables:
            self.mark(table.variable, tf.constant(table.begin + rows, tf.int64))


def _marks_of(variable: tf.Variable) -> tf.Variable:
    with tf.device(variable.device):
        return tf.Variable(tf.zeros([variable.shape[0], 1], tf.bool), trainable=False)
