"""The label of a regression as the loss sees it, and the way back: `TaskTower.label_transform`."""

import math
from dataclasses import dataclass

import tensorflow as tf

from easymtl.protos.task_pb2 import LabelTransform

_LARGEST = 3.4028234663852886e38


@dataclass(frozen=True)
class Transform:
    """f(y / c) of labels y, and c · g(s) of scores s, where g undoes f.

    Attributes:
        message: holds the divisor c and the function f.
    """

    message: LabelTransform

    def forward(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns labels, float32 `[batch]`, as the loss sees them; under LOG1P and SQRT none is negative."""
        scaled = labels / self.message.divide_by
        if self.message.function == LabelTransform.LOG1P:
            return tf.math.log1p(scaled)
        return tf.sqrt(scaled) if self.message.function == LabelTransform.SQRT else scaled

    def inverse(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns scores, float32 `[batch]`, in the units of the label, finite for any finite score.

        A score that stands for more than a float32 holds becomes (nearly) the largest one. A negative score of SQRT is
        0, the smallest label; one of LOG1P is below 0 and above -divide_by, so that a mean of 0 can be met.
        """
        divisor, function = self.message.divide_by, self.message.function
        # A little less than the largest float32 before the divisor, so that rounding cannot pass it behind.
        most = _LARGEST * (1 - 1e-6) / max(divisor, 1.0)
        if function == LabelTransform.LOG1P:
            # Clipping twice: exp grows so fast that the largest score loses five digits of its value.
            scores = tf.minimum(tf.math.expm1(tf.minimum(scores, math.log(most))), most)
        elif function == LabelTransform.SQRT:
            scores = tf.square(tf.clip_by_value(scores, 0.0, math.sqrt(most)))
        else:
            scores = tf.clip_by_value(scores, -most, most)
        return scores * divisor
