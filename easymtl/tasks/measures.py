"""What the metrics of a task are computed on: a prediction, and the label that it is held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Measure:
    """One prediction of a task that its metrics are computed on.

    Attributes:
        name: what stands behind the metric in reports: `auc_<name>`.
        output: what stands behind the kind in the predictions: `probs_<output>`.
        labels: number columns by name to the labels `[batch]`, NaN in the rows that do not count.
        prediction: name of the prediction; empty where it follows from what the task predicts and `output`.
        stands_for: number columns by name to how many rows each row stands for, `[batch]`; None where each is one.
    """

    name: str
    output: str
    labels: Callable[[Mapping[str, tf.Tensor]], tf.Tensor]
    prediction: str = ""
    stands_for: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] | None = None
