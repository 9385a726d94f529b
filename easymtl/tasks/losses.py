"""Losses of one task: logits and labels to one number per sample.

A new loss is one function and one row of `LOSSES`. The functions know nothing of weights, means or task
spaces: `Task` multiplies, masks and averages what they return.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import tensorflow as tf

from easymtl.protos.loss_pb2 import Loss, LossType


class Output(Enum):
    """What the logits of a task stand for, and so what it predicts."""

    PROBABILITY = "probability"  # logits of one yes/no event, or of several classes
    VALUE = "value"  # the logit is the predicted value
    RATE = "rate"  # the sigmoid of the logit is the predicted value, in [0, 1]


@dataclass(frozen=True)
class LossInputs:
    """What a loss may look at, all float32.

    Attributes:
        logits: `[batch]`, or `[batch, num_class]` when the task has several classes.
        labels: `[batch]`, 0 where the label is missing (such samples have weight 0).
        weights: `[batch]`, the samples' weights; only for losses that compare samples with each other.
        loss: the entry of the config, with the parameters of the loss.
    """

    logits: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor
    loss: Loss


@dataclass(frozen=True)
class LossKind:
    """One loss of the config language.

    Attributes:
        name: the first part of its name in logs and reports.
        output: what it makes of the logits.
        per_sample: the loss of each sample, `[batch]`.
        multi_class: whether it also takes `num_class` > 1.
    """

    name: str
    output: Output
    per_sample: Callable[[LossInputs], tf.Tensor]
    multi_class: bool = False


def cross_entropy(inputs: LossInputs) -> tf.Tensor:
    """Returns -log of the probability of the label, `[batch]`, computed from logits so that it cannot overflow.

    With one logit the label may be any number in [0, 1]; with several it is the number of the class.
    """
    if inputs.logits.shape.rank == 1:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=inputs.labels, logits=inputs.logits)
    classes = tf.cast(inputs.labels, tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=inputs.logits)


def squared_error(inputs: LossInputs) -> tf.Tensor:
    """Returns (logit - label)², `[batch]`."""
    return tf.square(inputs.logits - inputs.labels)


def sigmoid_squared_error(inputs: LossInputs) -> tf.Tensor:
    """Returns (sigmoid(logit) - label)², `[batch]`."""
    return tf.square(tf.sigmoid(inputs.logits) - inputs.labels)


# The names are those of the dialect, so that dashboards and scripts keep working. The two losses "on
# probabilities" are computed from logits: the same number, without the clipping.
LOSSES: dict[int, LossKind] = {
    LossType.CLASSIFICATION: LossKind("cross_entropy_loss", Output.PROBABILITY, cross_entropy, multi_class=True),
    LossType.CROSS_ENTROPY_LOSS: LossKind("cross_entropy_loss", Output.PROBABILITY, cross_entropy),
    LossType.BINARY_CROSS_ENTROPY_LOSS: LossKind("cross_entropy_loss", Output.PROBABILITY, cross_entropy),
    LossType.L2_LOSS: LossKind("l2_loss", Output.VALUE, squared_error),
    LossType.SIGMOID_L2_LOSS: LossKind("l2_loss", Output.RATE, sigmoid_squared_error),
}
