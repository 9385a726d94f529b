"""How the losses of samples, or of pairs of samples, become one number."""

from dataclasses import dataclass

import tensorflow as tf

from easymtl.protos.model_pb2 import ModelConfig


@dataclass(frozen=True)
class Sum:
    """A loss summed over what it compares with the truth: samples, pairs or sessions. All are float32 scalars.

    Attributes:
        total: Σ weight · loss.
        num_counted: how many have a weight other than 0.
        num_all: how many there are.
    """

    total: tf.Tensor
    num_counted: tf.Tensor
    num_all: tf.Tensor

    @classmethod
    def of(cls, losses: tf.Tensor, weights: tf.Tensor) -> "Sum":
        """Returns the sum of losses `[n]` with weights `[n]`; a loss of weight 0 may be infinite or NaN."""
        counts = tf.not_equal(weights, 0)
        total = tf.reduce_sum(weights * tf.where(counts, losses, tf.zeros_like(losses)))
        return cls(total, tf.reduce_sum(tf.cast(counts, tf.float32)), tf.cast(tf.size(weights), tf.float32))

    def scaled(self, factor: float) -> "Sum":
        """Returns the same of the loss times a number."""
        return Sum(self.total * factor, self.num_counted, self.num_all)

    def reduced(self, reduction: int) -> tf.Tensor:
        """Returns the loss of the batch by a `ModelConfig.LossReduction`, a scalar; 0 when nothing counts."""
        if reduction == ModelConfig.SUM:
            return self.total
        count = self.num_counted if reduction == ModelConfig.NONZERO_WEIGHT_MEAN else self.num_all
        return self.total / tf.maximum(count, 1)
