"""What a loss looks at, and what its logits stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.protos.loss_pb2 import Loss


class Output(Enum):
    """What the logits of a task stand for, and so what it predicts."""

    PROBABILITY = "probability"  # logits of one yes/no event, or of several classes
    SECOND_CLASS = "probability of the second class"  # logits of "no" and "yes"
    VALUE = "value"  # the logit is the predicted value
    RATE = "rate"  # the sigmoid of the logit is the predicted value, in [0, 1]
    LOGNORMAL = "lognormal value"  # logit of "above 0", mean and spread of the value's log (before a softplus)

    @property
    def is_probability(self) -> bool:
        """Whether what is predicted are probabilities of events."""
        return self in (Output.PROBABILITY, Output.SECOND_CLASS)


@dataclass(frozen=True)
class LossInputs:
    """What a loss may look at; numbers are float32.

    Attributes:
        logits: `[batch]`, or `[batch, num_class]` when the task has several outputs.
        labels: `[batch]`, 0 where the label is missing (such samples have weight 0).
        weights: `[batch]`, the samples' weights.
        loss: the entry of the config, with the parameters of the loss.
        keys: the fields that tell sessions apart by name, int64 `[batch]` each.
        in_space: bool `[batch]`, the samples that have a label and are in the task's space. A sample whose weight is 0
            for its sample weight alone is among them; see `losses_pairwise`. None stands for those of weight other
            than 0.
        scale: float32 `[1]`, the trained scale of the logits; None where there is none.
        parameters: of a loss that a package brings, the message that it declares.
    """

    logits: tf.Tensor
    labels: tf.Tensor
    weights: tf.Tensor
    loss: Loss
    keys: Mapping[str, tf.Tensor] = field(default_factory=dict)
    in_space: tf.Tensor | None = None
    scale: tf.Tensor | None = None
    parameters: Any = None

    @property
    def counts(self) -> tf.Tensor:
        """Which samples are there for losses that look at others too, bool `[batch]`."""
        return tf.not_equal(self.weights, 0) if self.in_space is None else self.in_space

    def session(self, parameters: Message) -> tf.Tensor | None:
        """Returns the key of each sample's session, int64 `[batch]`; None when the batch is one session."""
        name = parameters.session_name
        return self.keys[name] if name else None
