"""Negatives of which only a share was kept: probabilities and metrics of all rows, by a sample of them.

Rows without the event were kept with probability r, rows with it always. Where p is the probability in all rows, the
one in the sample is q with

    q = p / (p + r (1 - p)),    so    p = q / (q + (1 - q) / r)    and    logit p = logit q + log r.

(He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014, section 6.3.) A network that
trains on the sample learns q: its losses stay as they are, and what it predicts is moved. In a metric each negative
stands for the 1 / r rows that it was drawn from (Horvitz and Thompson, 1952).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Protocol

import tensorflow as tf

from easymtl.protos.task_pb2 import TaskTower
from easymtl.tasks.loss_inputs import Output


class Sampled(Protocol):
    """A task, as far as it matters here.

    Attributes:
        name: of the tower.
        tower: has the rates.
        output: what the logits stand for.
    """

    name: str
    tower: TaskTower
    output: Output


def of_all_rows(logits: Mapping[str, tf.Tensor], tasks: Iterable[Sampled]) -> dict[str, tf.Tensor]:
    """Returns logits by tower name, those of tasks with a `negative_sampling_rate` as of all rows and in float32.

    What is given that a parent happened is moved there: the rate of a tower is of the negatives among these rows.

    Args:
        logits: what the model gave, `[batch, num_outputs]` or `[batch]` each.
        tasks: have the rates.
    """
    result = dict(logits)
    for task in tasks:
        if task.tower.negative_sampling_rate < 1:
            shift = math.log(task.tower.negative_sampling_rate)
            # Of two logits the second is that of the event.
            moved = tf.constant([0.0, shift] if task.output is Output.SECOND_CLASS else shift, tf.float32)
            result[task.name] = tf.cast(logits[task.name], tf.float32) + moved
    return result


def rate_of_metrics(tower: TaskTower) -> float:
    """Returns the share of the negatives that evaluation data hold."""
    if tower.HasField("eval_negative_sampling_rate"):
        return tower.eval_negative_sampling_rate
    return tower.negative_sampling_rate


def rows_stood_for(tower: TaskTower, labels: tf.Tensor) -> tf.Tensor:
    """Returns how many rows each row of a metric stands for, float32 `[batch]`.

    Args:
        tower: has the rate.
        labels: of the task, NaN where missing, which counts as one row.
    """
    ones = tf.ones_like(labels)
    return tf.where(labels <= 0, ones / rate_of_metrics(tower), ones)
