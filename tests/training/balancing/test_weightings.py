"""Weights from losses alone, against their formulas."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.protos.train_pb2 import DynamicWeightAverage as DynamicWeightAverageConfig
from easymtl.training.balancing.weightings import (
    DynamicWeightAverage,
    RandomWeights,
    UncertaintyWeights,
    Weighable,
)

SEED = np.array([1, 2])


def test_uncertainty_is_its_formula_for_classification_and_regression():
    weighting = UncertaintyWeights([Weighable("a", 2.0), Weighable("b", 1.0, is_regression=True)], ["s_a", "s_b"])
    for variable, value in zip(weighting.trained, (0.3, -0.5)):
        variable.assign([value])
    losses = tf.constant([1.4, 0.9])
    found = weighting(losses, SEED)
    total = found.weights * losses + found.terms
    # The first loss has its weight of the config already: 2 (exp(-s) 0.7 + s / 2).
    expected = [2 * (math.exp(-0.3) * 0.7 + 0.15), math.exp(0.5) * 0.9 / 2 - 0.25]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_uncertainty_starts_at_fixed_weights_and_is_trained():
    weighting = UncertaintyWeights([Weighable("a"), Weighable("b")], ["s_a", "s_b"])
    with tf.GradientTape() as tape:
        found = weighting(tf.constant([2.0, 0.25]), SEED)
        total = tf.reduce_sum(found.weights * tf.constant([2.0, 0.25]) + found.terms)
    np.testing.assert_array_equal(found.weights, [1, 1])
    slopes = [float(slope[0]) for slope in tape.gradient(total, weighting.trained)]
    assert slopes == pytest.approx([-2 + 0.5, -0.25 + 0.5])
    assert {name: parameter.shape for name, parameter in weighting.parameters.items()} == {"s_a": (), "s_b": ()}


def test_the_best_weight_is_half_of_one_over_the_loss():
    weighting = UncertaintyWeights([Weighable("a")], ["s"])
    weighting.trained[0].assign([math.log(2 * 0.7)])
    with tf.GradientTape() as tape:
        found = weighting(tf.constant([0.7]), SEED)
        total = tf.reduce_sum(found.weights * 0.7 + found.terms)
    assert float(tape.gradient(total, weighting.trained[0])[0]) == pytest.approx(0, abs=1e-7)
    assert float(found.weights[0]) == pytest.approx(1 / 1.4)


def test_random_weights_are_a_function_of_the_seed_and_have_their_sum():
    weighting = RandomWeights(4, 4.0)
    drawn = np.stack([weighting(tf.ones(4), tf.constant([5, step], tf.int64)).weights for step in range(400)])
    again = weighting(tf.ones(4), tf.constant([5, 3], tf.int64)).weights
    np.testing.assert_array_equal(drawn[3], again)
    np.testing.assert_allclose(drawn.sum(axis=1), 4, rtol=1e-5)
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.2)
    # Logarithms of a softmax differ by the noise itself: two standard normals.
    differences = np.log(drawn[:, 0]) - np.log(drawn[:, 1])
    assert differences.std() == pytest.approx(math.sqrt(2), rel=0.15)


def dwa(num_tasks=2, **settings) -> DynamicWeightAverage:
    return DynamicWeightAverage(DynamicWeightAverageConfig(**settings), [f"t{index}" for index in range(num_tasks)])


def steps(weighting: DynamicWeightAverage, losses: np.ndarray) -> np.ndarray:
    """Returns the weights of each step."""
    weights = []
    for row in losses:
        found = weighting(tf.constant(row, tf.float32), SEED)
        weights.append(found.weights.numpy())
        for variable, value in found.changes:
            variable.assign(value)
    return np.stack(weights)


def test_dwa_is_its_formula_on_averages_over_windows():
    losses = np.random.default_rng(0).uniform(0.5, 2, size=(15, 2))
    found = steps(dwa(temperature=0.5, window_steps=3), losses)
    averages = losses.reshape(5, 3, 2).mean(axis=1)
    for window in range(5):
        expected = np.ones(2)
        if window >= 2:
            power = np.exp(averages[window - 1] / averages[window - 2] / 0.5)
            expected = 2 * power / power.sum()
        np.testing.assert_allclose(found[3 * window : 3 * window + 3], np.tile(expected, (3, 1)), rtol=1e-5)


def test_dwa_gives_more_to_the_loss_that_falls_slowly():
    falling = np.array([[1.0, 1.0], [0.5, 0.9], [0.5, 0.9]])
    weights = steps(dwa(window_steps=1), falling)[-1]
    assert weights[1] > 1 > weights[0] and weights.sum() == pytest.approx(2)


def test_equal_losses_have_weights_of_1():
    np.testing.assert_allclose(steps(dwa(3, window_steps=1), np.full((5, 3), 0.7)), np.ones((5, 3)), rtol=1e-6)


def test_a_loss_of_0_throughout_is_left_in_the_middle():
    weights = steps(dwa(window_steps=1), np.array([[0.0, 1.0]] * 4))
    np.testing.assert_allclose(weights, np.ones((4, 2)), rtol=1e-6)


def test_what_dwa_remembers_is_named_by_task():
    names = {"sum", "steps", "last_average", "average_before"}
    assert set(dwa().parameters) == {f"task_balancing/dwa/{task}/{name}" for task in ("t0", "t1") for name in names}
