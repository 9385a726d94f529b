"""Keras' own activations against their formulas."""

import math

import numpy as np
import pytest

from easymtl.layers.shapes import Array, vector
from tests.formulas import softmax
from tests.layers.named.building import make, refusal, values

FIELDS = Array((None, 3, 4))


def exact_gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


@pytest.mark.parametrize(
    ("name", "text", "formula"),
    [
        ("Activation", "activation: 'tanh'", np.tanh),
        ("Activation", "activation: 'gelu'", exact_gelu),
        ("Activation", "activation: 'softmax'", softmax),
        ("ReLU", "", lambda x: np.maximum(x, 0)),
        ("ReLU", "max_value: 0.5", lambda x: np.clip(x, 0, 0.5)),
        (
            "ReLU",
            "max_value: 0.8 negative_slope: 0.1 threshold: 0.3",
            lambda x: np.where(x >= 0.3, np.minimum(x, 0.8), 0.1 * (x - 0.3)),
        ),
        ("LeakyReLU", "", lambda x: np.where(x > 0, x, 0.3 * x)),
        ("LeakyReLU", "alpha: 0.1", lambda x: np.where(x > 0, x, 0.1 * x)),
        ("ELU", "", lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        ("ELU", "alpha: 0.5", lambda x: np.where(x > 0, x, 0.5 * (np.exp(x) - 1))),
        ("Softmax", "", softmax),
    ],
)
def test_activations_follow_their_formulas(name, text, formula):
    x = values(FIELDS)
    np.testing.assert_allclose(make(name, text, FIELDS)(x), formula(x), rtol=1e-5, atol=1e-6)


def test_a_rectifier_begins_at_its_threshold():
    made = make("ReLU", "threshold: 0.5 negative_slope: 0.1", vector(3))
    np.testing.assert_allclose(made(np.array([[0.25, 0.5, 0.75]])), [[-0.025, 0.5, 0.75]], rtol=1e-6)


def test_prelu_has_a_slope_for_each_value_of_a_row():
    made = make("PReLU", "", FIELDS)
    assert made.weights["alpha"].shape == (3, 4)
    x = values(FIELDS)
    np.testing.assert_allclose(made(x), np.where(x > 0, x, made.weights["alpha"] * x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Activation", "", 'needs activation, for example activation: "relu"'),
        ("ReLU", "max_value: -1", "has max_value -1, which must not be below 0"),
        ("LeakyReLU", "alpha: -1", "has alpha -1, which must not be below 0"),
    ],
)
def test_what_cannot_be_built_is_refused(name, text, message):
    assert refusal(name, text, vector(4)) == message


def test_activations_with_weights_are_layers_of_their_own():
    assert refusal("Activation", "activation: 'prelu'", vector(4)).startswith(
        'has activation "prelu", which is none of'
    )
    text = "takes a tensor whose sizes are fixed but for the batch, but is given [batch, ?, 4]"
    assert refusal("PReLU", "", Array((None, None, 4))) == text
