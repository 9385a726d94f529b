"""What a probability goes through after training: the curves against NumPy, and their documents."""

import json

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.task_pb2 import PostCalibration
from easymtl.tasks.post_calibration import Line, Steps, read_curve

Z = np.concatenate([np.linspace(-40, 40, 501), np.random.default_rng(0).normal(size=500)])
POINTS, HEIGHTS = (-3.0, -2.5, 0.0, 0.25, 6.0), (0.01, 0.01, 0.3, 0.8, 0.9)


def values(curve, z=Z) -> np.ndarray:
    found = curve(tf.constant(z, tf.float32))
    assert found.dtype == tf.float32
    return found.numpy()


def test_a_line_is_the_sigmoid_of_what_it_makes_of_log_odds():
    np.testing.assert_allclose(values(Line(0.5, -1.0)), 1 / (1 + np.exp(-(0.5 * Z - 1))), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(values(Line(2.0)), 1 / (1 + np.exp(-2 * Z)), rtol=1e-4, atol=1e-12)


def test_between_points_are_straight_lines_and_beyond_them_it_is_level():
    np.testing.assert_allclose(values(Steps(POINTS, HEIGHTS)), np.interp(Z, POINTS, HEIGHTS), atol=2e-7)
    np.testing.assert_allclose(values(Steps(POINTS, HEIGHTS), np.array([-1e30, 1e30])), [0.01, 0.9], atol=1e-7)
    assert np.all(np.diff(values(Steps(POINTS, HEIGHTS), np.sort(Z))) >= -1e-7)


@pytest.mark.parametrize(
    ("method", "curve"),
    [
        (PostCalibration.TEMPERATURE, Line(0.7)),
        (PostCalibration.PLATT, Line(0.7, 1 / 3)),
        (PostCalibration.ISOTONIC, Steps(POINTS, HEIGHTS)),
    ],
)
def test_a_curve_is_read_as_it_was_written(method, curve):
    assert read_curve(method, json.loads(json.dumps(curve.document()))) == curve


@pytest.mark.parametrize(
    ("method", "document", "says"),
    [
        (PostCalibration.PLATT, {"slope": 1.0}, "no numbers"),
        (PostCalibration.PLATT, {"slope": "1", "intercept": 0}, "no numbers"),
        (PostCalibration.PLATT, {"slope": float("nan"), "intercept": 0}, "no numbers"),
        (PostCalibration.ISOTONIC, {"slope": 1.0, "intercept": 0.0}, "no numbers"),
        (PostCalibration.ISOTONIC, {"log_odds": [1.0], "probabilities": [0.5]}, "at least two"),
        (PostCalibration.ISOTONIC, {"log_odds": [1.0, 1.0], "probabilities": [0.5, 0.6]}, "that rise"),
        (PostCalibration.ISOTONIC, {"log_odds": [1.0, 2.0], "probabilities": [0.6, 0.5]}, "probabilities fall"),
        (PostCalibration.ISOTONIC, {"log_odds": [1.0, 2.0], "probabilities": [0.6, 1.5]}, "are none"),
    ],
)
def test_a_document_of_something_else_is_refused(method, document, says):
    with pytest.raises(ValueError, match=says):
        read_curve(method, document)
