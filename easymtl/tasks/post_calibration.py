"""What a probability goes through after training, so that of the rows with p a share of p are positive.

A `Curve` maps the log-odds z = log p - log(1 - p) of a task to a probability. It is fitted apart from the network, on
rows that were not trained on (`easymtl.scoring.calibrating`), and is the same few operations in evaluation and in an
export.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from easymtl.protos.task_pb2 import PostCalibration


class Curve(Protocol):
    """A function from log-odds to probabilities."""

    def __call__(self, log_odds: tf.Tensor) -> tf.Tensor:
        """Maps log-odds `[batch]` to probabilities, float32 `[batch]`."""

    def document(self) -> dict[str, Any]:
        """Returns the parameters, as JSON can hold them."""


@dataclass(frozen=True)
class Line:
    """p = sigmoid(slope · z + intercept): Platt scaling; with an intercept of 0 a temperature of 1 / slope.

    Platt, "Probabilistic Outputs for Support Vector Machines", 1999; Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017.
    """

    slope: float
    intercept: float = 0.0

    def __call__(self, log_odds: tf.Tensor) -> tf.Tensor:
        """Maps log-odds `[batch]` to probabilities, float32 `[batch]`."""
        return tf.sigmoid(tf.cast(log_odds, tf.float32) * self.slope + self.intercept)

    def document(self) -> dict[str, Any]:
        """Returns the parameters."""
        return {"slope": self.slope, "intercept": self.intercept}


@dataclass(frozen=True)
class Steps:
    """Straight lines between points (z_i, p_i), and level beyond the first and the last of them.

        p = p_0 + Σ_i (p_i+1 - p_i) · min(max((z - z_i) / (z_i+1 - z_i), 0), 1)

    A sum of ramps, and no search of z's place: each server and each format of models has these operations.

    Attributes:
        log_odds: z_i, float32 and rising.
        probabilities: p_i, which do not fall.
    """

    log_odds: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, log_odds: tf.Tensor) -> tf.Tensor:
        """Maps log-odds `[batch]` to probabilities, float32 `[batch]`."""
        z = tf.cast(log_odds, tf.float32)
        points, heights = (np.asarray(one, np.float64) for one in (self.log_odds, self.probabilities))
        starts, scales = points[:-1].astype(np.float32), (1 / np.diff(points)).astype(np.float32)
        ramps = tf.minimum(tf.maximum((z[:, tf.newaxis] - starts) * scales, 0.0), 1.0)
        rises = np.diff(heights).astype(np.float32)
        return tf.reduce_sum(ramps * rises, axis=1) + np.float32(heights[0])

    def document(self) -> dict[str, Any]:
        """Returns the points."""
        return {"log_odds": list(self.log_odds), "probabilities": list(self.probabilities)}


def read_curve(method: int, document: Mapping[str, Any]) -> Curve:
    """Returns the curve that a document of `Curve.document` is of.

    Args:
        method: a `PostCalibration.Method`.
        document: the parameters.

    Raises:
        ValueError: the document is none of that method; the text says why.
    """
    if method != PostCalibration.ISOTONIC:
        return Line(*(_numbers([document.get(name)])[0] for name in ("slope", "intercept")))
    points, heights = (_numbers(document.get(name)) for name in ("log_odds", "probabilities"))
    if len(points) != len(heights) or len(points) < 2 or np.any(np.diff(np.asarray(points, np.float32)) <= 0):
        raise ValueError("its points are not at least two that rise")
    if np.any(np.diff(heights) < 0) or heights[0] < 0 or heights[-1] > 1:
        raise ValueError("its probabilities fall, or are none")
    return Steps(tuple(points), tuple(heights))


def _numbers(values: object) -> list[float]:
    if not isinstance(values, list) or not all(isinstance(one, int | float) and np.isfinite(one) for one in values):
        raise ValueError(f"{values!r} are no numbers")
    return [float(one) for one in values]
