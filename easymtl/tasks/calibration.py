"""Keeps the probability of a task below those of the tasks that must happen first."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.numbers import NumberColumn
from easymtl.tasks.reach import EACH_ROW
from easymtl.tasks.sums import Sum
from easymtl.tasks.task import Task
from easymtl.tasks.terms import TermInputs


class OrderCalibration:
    """sum_r relu(p_t - p_r) over the tasks r that must happen before t: a term of t.

    Xi et al., KDD 2021 (AITM), equation 8; ORDER_CALIBRATE_LOSS of the config. Gradients flow into both tasks.

    Attributes:
        name: of the loss entry.
        weight: of the loss entry.
    """

    number_columns: Sequence[NumberColumn] = ()
    key_fields: Sequence[str] = ()
    reach = EACH_ROW

    def __init__(self, name: str, weight: float, task: Task, earlier: Sequence[Task]):
        self.name = name
        self.weight = weight
        self._task = task
        self._earlier = tuple(earlier)

    def __call__(self, inputs: TermInputs) -> Sum:
        """Returns the sum over the rows that count in the task."""
        own = _probability(self._task, inputs)
        excess = [tf.nn.relu(own - _probability(task, inputs)) for task in self._earlier]
        return Sum.of(tf.add_n(excess), inputs.weights)


def _probability(task: Task, inputs: TermInputs) -> tf.Tensor:
    return tf.exp(task.log_probabilities(inputs.logits)[0])
