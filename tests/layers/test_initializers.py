"""Initial values: their spread, their range, and that seed and shape alone decide."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config.names import INITIALIZERS
from easymtl.layers import initializers
from easymtl.layers.context import Build

SHAPE = (2, 150, 100)
FAN_IN, FAN_OUT = 300, 200
# Standard deviation and largest value of each.
VARIANCES = {
    "glorot_uniform": (2 / (FAN_IN + FAN_OUT), math.sqrt(6 / (FAN_IN + FAN_OUT))),
    "glorot_normal": (2 / (FAN_IN + FAN_OUT), 2 / 0.8796 * math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "he_uniform": (2 / FAN_IN, math.sqrt(6 / FAN_IN)),
    "he_normal": (2 / FAN_IN, 2 / 0.8796 * math.sqrt(2 / FAN_IN)),
    "lecun_uniform": (1 / FAN_IN, math.sqrt(3 / FAN_IN)),
    "lecun_normal": (1 / FAN_IN, 2 / 0.8796 * math.sqrt(1 / FAN_IN)),
    "random_uniform": (0.05**2 / 3, 0.05),
    "random_normal": (0.05**2, math.inf),
    "truncated_normal": ((0.05 * 0.8796) ** 2, 0.1),
    "zeros": (0.0, 0.0),
}


def draw(name: str, seed: int = 1) -> np.ndarray:
    return initializers.named_initializer(name)(SHAPE, tf.constant([seed, 2], tf.int64)).numpy()


def test_the_names_that_a_config_may_use_are_those_that_there_are():
    assert set(INITIALIZERS) == set(VARIANCES) | {"ones"} == set(initializers._BY_NAME)


@pytest.mark.parametrize("name", VARIANCES)
def test_values_have_the_spread_of_their_formula(name):
    variance, largest = VARIANCES[name]
    values = draw(name)
    assert values.shape == SHAPE
    assert np.isclose(values.std(), math.sqrt(variance), rtol=0.02)
    assert abs(values.mean()) <= 0.02 * math.sqrt(variance)
    assert np.abs(values).max() <= largest * 1.001
    if math.isfinite(largest):
        assert np.abs(values).max() >= largest * 0.99


def test_values_follow_from_the_seed():
    np.testing.assert_array_equal(draw("he_normal"), draw("he_normal"))
    assert np.abs(draw("he_normal") - draw("he_normal", seed=2)).max() > 0.01


def test_names_may_be_those_of_classes():
    np.testing.assert_array_equal(draw("HeUniform"), draw("he_uniform"))
    assert (draw("ones") == 1).all()


def test_a_vector_counts_for_both_sides():
    assert initializers.fans([7]) == (7, 7)


def test_weights_are_drawn_by_their_names_and_only_kernels_are_regularized():
    build = Build(seed=3)
    first, second = build.weight("a", [4, 5]), build.weight("b", [4, 5])
    assert np.abs(first.numpy() - second.numpy()).max() > 0.01
    assert build.regularized == []
    build.kernel("c", 4, 5, is_regularized=False)
    kernel = build.kernel("d", 4, 5, initializers.ones)
    assert [variable is kernel for variable in build.regularized] == [True]
    assert (kernel.numpy() == 1).all()


def test_layers_without_names_are_numbered_over_the_model():
    build = Build()
    names = [build.numbered(name) for name in ("dense", "dense", "batch_normalization", "dense")]
    assert names == ["dense", "dense_1", "batch_normalization", "dense_2"]
