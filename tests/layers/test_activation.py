"""Each activation against its formula."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config.names import ACTIVATIONS, BLOCK_ACTIVATIONS
from easymtl.layers.activation import _PLAIN, _WITH_WEIGHTS, make_activation, make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.norm import EPSILON

X = np.array([[-3.0, -1.0, -0.1, 0.0], [0.2, 1.0, 2.5, 6.0]], np.float32)
TRAINING = Call(training=True, seed=np.array([0, 1]))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1)),
    "tanh": np.tanh,
    "swish": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "linear": lambda x: x,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "": lambda x: x,
    "tf.nn.relu": lambda x: np.maximum(x, 0),
    "PReLU": lambda x: np.where(x > 0, x, 0.25 * x),
}


def test_the_names_that_a_config_may_use_are_those_that_there_are():
    tested = {name.lower() for name in FORMULAS if name and "." not in name}
    assert set(BLOCK_ACTIVATIONS) == tested | {"dice"} == set(_PLAIN) | set(_WITH_WEIGHTS)
    assert set(ACTIVATIONS) < set(BLOCK_ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_equals_its_formula(name):
    activation = make_activation(Build(), ["layer"], name, 4)
    np.testing.assert_allclose(
        activation(tf.constant(X), Call()), FORMULAS[name](X.astype(float)), rtol=2e-6, atol=2e-6
    )


def test_prelu_has_a_slope_for_each_column_that_learns():
    build = Build()
    activation = make_activation(build, ["a", "b"], "prelu", 4)
    activation.slope.assign([0.0, 0.5, 1.0, 2.0])
    x = tf.constant(-np.ones([1, 4], np.float32))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(activation(x, Call()))
    np.testing.assert_array_equal(tape.gradient(y, activation.slope), -np.ones(4))
    np.testing.assert_array_equal(build.parameters["b/prelu/slope"].read(), [1.0, 2.0])


def test_dice_gates_by_the_sigmoid_of_the_normalized_value():
    activation = make_activation(Build(), ["layer"], "dice", 4)
    activation.slope.assign([0.0, 0.5, 1.0, 2.0])
    gate = sigmoid((X - X.mean(0)) / np.sqrt(X.var(0) + EPSILON))
    expected = gate * X + (1 - gate) * np.array([0.0, 0.5, 1.0, 2.0]) * X
    np.testing.assert_allclose(activation(tf.constant(X), TRAINING), expected, atol=1e-5)


def test_the_norm_of_dice_has_no_weights_to_learn():
    build = Build()
    activation = make_activation(build, ["layer"], "dice", 4)
    [trained] = activation.trainable_variables
    assert trained is build.parameters["layer/dice/slope"].variable


@pytest.mark.parametrize("name", ["relu", "gelu", "swish", "prelu", "dice", "tanh"])
def test_activations_keep_the_precision_of_their_input(name):
    activation = make_activation(Build(), ["layer"], name, 4)
    assert activation(tf.cast(X, tf.bfloat16), TRAINING).dtype == tf.bfloat16


def test_in_block_graphs_weights_are_named_as_keras_names_them():
    build = Build()
    for name in ("a", "b"):
        make_block_activation(build, f"{name}/act", "dice", 4)
    make_block_activation(build, "c/act", "prelu", 4)
    scopes = {name.rsplit("/", 1)[0] for name in build.parameters if name.endswith("moving_mean")}
    assert scopes == {"a/act/batch_normalization", "b/act/batch_normalization_1"}
    trained = [name for name, parameter in build.parameters.items() if parameter.variable.trainable]
    assert trained == ["a/act/dice_alpha", "b/act/dice_alpha", "c/act/alpha"]
