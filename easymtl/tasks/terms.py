"""Loss terms of a task that look beyond its own logits and labels: at other tasks, at other models' predictions.

A term is what cannot be written as a loss of the task's own logits and label (those are rows of
`easymtl.tasks.losses.LOSSES`): calibration of one task against another, corrections of a funnel, distillation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf

from easymtl.features.numbers import NumberColumn
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.measures import Measure
from easymtl.tasks.reach import Reach
from easymtl.tasks.sums import Part


@dataclass(frozen=True)
class TermInputs:
    """What a term of a task may look at.

    Attributes:
        logits: what the model gave for every task, by tower name; `Task.scores`, `Task.own_logits` and
            `Task.log_probabilities` of any task read it.
        labelled: the number columns and keys of all tasks.
        labels: the task's own labels behind its `label_transform`, float32 `[batch]`, 0 where missing (and the weight
            is 0 there).
        weights: the task's own sample weights, float32 `[batch]`.
    """

    logits: Mapping[str, tf.Tensor]
    labelled: Labelled
    labels: tf.Tensor
    weights: tf.Tensor


class Term(Protocol):
    """One more loss entry of a task; it holds the tasks and columns that it needs."""

    @property
    def name(self) -> str:
        """Name of the loss entry, the tower's name included, unique in the model."""

    @property
    def weight(self) -> float:
        """Its own weight; the task multiplies with the tower's."""

    @property
    def number_columns(self) -> Sequence[NumberColumn]:
        """The number columns that it reads beside those of its task."""

    @property
    def key_fields(self) -> Sequence[str]:
        """The fields that tell sessions apart for it."""

    @property
    def reach(self) -> Reach:
        """Which rows it has to see together; `EACH_ROW` of most."""

    def __call__(self, inputs: TermInputs) -> Part:
        """Returns the loss of the batch, mostly `Sum.of(losses, inputs.weights)`; the task reduces and weighs it.

        What is missing is replaced before any arithmetic: the gradient of a NaN is NaN even under a weight of 0.
        """


class Joint(Protocol):
    """Makes a task's scores from the logits of several, such as a funnel's p(parent) · p(this | parent).

    Attributes:
        name: what stands behind the kind in predictions and behind the metric in reports: `probs_<name>`.
    """

    name: str

    @property
    def number_columns(self) -> Sequence[NumberColumn]:
        """The number columns that its labels read beside the task's own label."""

    @property
    def measures(self) -> Sequence[Measure]:
        """Further predictions that the metrics of the task are computed on."""

    def scores(self, logits: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what losses, predictions and metrics of the task go by in place of its own logits.

        float32 `[batch]`: of an event the log-odds log p - log(1 - p) of the joint probability.
        """

    def labels(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns what the scores are held against in place of the task's own label, `[batch]`, NaN where missing."""

    @property
    def is_sampled(self) -> bool:
        """Whether evaluation data hold a share of the rows where something that has to happen first did not."""

    def stands_for(self, numbers: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns how many rows each row of evaluation data stands for in metrics, float32 `[batch]`."""

    def predictions(self, logits: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns further predictions by name, beside those that the task makes of the scores."""
