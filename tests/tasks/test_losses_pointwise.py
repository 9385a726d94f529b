"""What the losses of single rows do at the ends of their range."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.loss_pb2 import ZILNLoss
from easymtl.tasks.losses_pointwise import lognormal_predictions, spread_of
from tests.tasks.loss_checks import Rows, loss_and_gradient, task_of

EPSILON = np.finfo(np.float32).eps


def test_the_focal_factor_of_a_sure_prediction_is_not_below_that_of_1e_7():
    task = task_of("losses { loss_type: BINARY_FOCAL_LOSS binary_focal_loss { gamma: 0.5 } }")
    for logit, label in ((20.0, 1), (-20.0, 0)):
        loss, _ = loss_and_gradient(task, Rows([logit], [label]))
        # Of 1 - 1e-7 float32 knows the nearest number, 1 - 2^-23.
        least = EPSILON if label else 1e-7
        assert loss == pytest.approx(np.sqrt(least) * np.exp(-20.0), rel=0.02)


def test_the_hardest_are_one_at_least_and_only_those_that_have_a_loss():
    task = task_of("losses { loss_type: BINARY_FOCAL_LOSS binary_focal_loss { gamma: 0 ohem_ratio: 0.5 } }")
    one = np.logaddexp(0, -0.7)
    assert loss_and_gradient(task, Rows([0.7], [1]))[0] == pytest.approx(one, rel=1e-6)
    # Two of four are kept; one of them weighs nothing.
    loss, gradient = loss_and_gradient(task, Rows([0.7] * 4, [1] * 4, weights=[0, 2, 0, 0]))
    assert loss == pytest.approx(2 * one, rel=1e-6)
    assert np.count_nonzero(gradient) == 1


@pytest.mark.parametrize("num_rows", [1, 4096])
@pytest.mark.parametrize("probability", [1e-12, 1e-8, 1e-3])
def test_negatives_alone_have_a_finite_factor_however_sure_they_are(num_rows, probability):
    task = task_of("losses { loss_type: F1_REWEIGHTED_LOSS }")
    found, _ = loss_and_gradient(task, Rows([np.log(probability)] * num_rows, [0] * num_rows))
    found_positives = num_rows * probability
    assert found == pytest.approx(found_positives / (found_positives + 1e-8) * probability, rel=0.002)


def test_a_spread_is_kept_within_its_bounds():
    raw = tf.constant([-100.0, 0.0, 100.0])
    np.testing.assert_allclose(spread_of(raw, 2.5), [np.sqrt(1e-7), np.log(2), 2.5], rtol=1e-6)


def test_an_expected_value_is_clipped_by_its_log():
    parameters = ZILNLoss(max_log_clip_value=3.0, max_sigma=2.0)
    logits = tf.constant([[50.0, 1.0, -50.0], [50.0, 4.0, -50.0], [50.0, 0.0, 50.0], [50.0, -1000.0, 0.0]])
    probabilities, values = lognormal_predictions(logits, parameters)
    np.testing.assert_allclose(probabilities, 1)
    np.testing.assert_allclose(values, np.exp([1.0, 3.0, 2.0, -1000.0]), rtol=1e-5, atol=1e-37)
