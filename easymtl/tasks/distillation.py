"""Distillation: losses of a task's prediction against that of another model, read from a column (`model_config.kd`).

Hinton et al., "Distilling the Knowledge in a Neural Network", 2015. With temperature T, the student's logit s and the
teacher's t (log(q / (1 - q)) when its column holds probabilities q) the losses compare sigmoid(s / T) with
sigmoid(t / T); L2_LOSS compares the two numbers as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.config.names import distillation_name
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import Loss, LossType
from easymtl.protos.task_pb2 import KD
from easymtl.tasks.losses import LOSSES, LossInputs, reach_of
from easymtl.tasks.losses_pointwise import SMALLEST_PROBABILITY
from easymtl.tasks.reach import Reach
from easymtl.tasks.sample_weights import Factor, factor_of
from easymtl.tasks.sums import Part
from easymtl.tasks.task import Task
from easymtl.tasks.terms import TermInputs

_OF_PROBABILITIES = (
    LossType.CROSS_ENTROPY_LOSS,
    LossType.BINARY_CROSS_ENTROPY_LOSS,
    LossType.KL_DIVERGENCE_LOSS,
)


@dataclass(frozen=True)
class Distillation:
    """One entry of `kd`: a term of the task whose prediction it trains.

    A sample weighs what the entry's own space and `data_config.sample_weight` give it, 0 where the teacher is silent.
    The label, the spaces and the weight of the task do not matter: the teacher may know of rows that have no label.

    Attributes:
        kd: the entry.
        task: whose prediction it trains.
        factors: of a sample's weight.
    """

    kd: KD
    task: Task
    factors: Sequence[Factor] = ()

    @property
    def name(self) -> str:
        """Name of the loss entry, as in EasyRec."""
        return distillation_name(self.kd)

    @property
    def weight(self) -> float:
        """Weight of the loss."""
        return self.kd.loss_weight

    @property
    def number_columns(self) -> list[NumberColumn]:
        """The other model's prediction, and what its weights are read from."""
        soft_label = NumberColumn(self.kd.soft_label_name, self.kd.soft_label_name)
        return [soft_label, *(factor.column for factor in self.factors)]

    @property
    def key_fields(self) -> list[str]:
        """The field that tells sessions apart, of the losses that have one."""
        session = getattr(_parameters(self.kd), "session_name", "")
        return [session] if session else []

    @property
    def reach(self) -> Reach:
        """Which rows the loss has to see together."""
        return reach_of(self._loss)

    @property
    def _loss(self) -> Loss:
        loss = Loss(loss_type=self.kd.loss_type)
        if self.kd.WhichOneof("loss_param"):
            getattr(loss, self.kd.WhichOneof("loss_param")).CopyFrom(_parameters(self.kd))
        return loss

    def __call__(self, inputs: TermInputs) -> Part:
        """Returns the sum over the rows that the other model has a prediction for."""
        teacher = tf.cast(inputs.labelled.numbers[self.kd.soft_label_name], tf.float32)
        is_there = tf.logical_not(tf.math.is_nan(teacher))
        weights = tf.cast(is_there, tf.float32)
        for factor in self.factors:
            weights *= factor_of(factor, inputs.labelled.numbers)
        teacher, student = self._compared(tf.where(is_there, teacher, 0.0), inputs)
        (found,) = LOSSES[self.kd.loss_type].sums(
            LossInputs(student, teacher, weights, self._loss, inputs.labelled.keys, tf.not_equal(weights, 0))
        )
        return found

    def _compared(self, teacher: tf.Tensor, inputs: TermInputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the label and the logit that the loss is computed on, `[batch]` each."""
        kd = self.kd
        if self.task.transform:
            # Both are in the units of the label; the loss is that of the label's transform.
            return self.task.transform.forward(teacher), self.task.scores(inputs.logits)
        if kd.loss_type not in _OF_PROBABILITIES:
            return teacher, self.task.predictions(inputs.logits)[kd.pred_name]
        scores = self.task.log_odds(inputs.logits)
        if kd.loss_type == LossType.CROSS_ENTROPY_LOSS:
            # As EasyRec has it: a probability stands for its log where a logit is needed.
            teacher = teacher if kd.label_is_logits else tf.math.log(teacher + SMALLEST_PROBABILITY)
            scores = scores if kd.pred_is_logits else tf.math.log_sigmoid(scores)
        elif not kd.label_is_logits:
            teacher = tf.clip_by_value(teacher, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
            teacher = tf.math.log(teacher) - tf.math.log1p(-teacher)
        return tf.sigmoid(teacher / kd.temperature), scores / kd.temperature


def _parameters(kd: KD) -> Message | None:
    return getattr(kd, kd.WhichOneof("loss_param")) if kd.WhichOneof("loss_param") else None
