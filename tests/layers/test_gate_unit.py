"""Gates that scale: between 0 and 2, 1 when undecided, and nothing else changed."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.layers.gate_unit import FeatureGate, GateUnit, ScaledDNN, SelfGate
from easymtl.protos import layer_pb2

X = np.random.default_rng(1).normal(size=[16, 5]).astype(np.float32)
CONFIG = text_format.Parse("hidden_units: [6, 4] dropout_ratio: [0.5, 0]", layer_pb2.DNN())
CALLS = pytest.mark.parametrize(
    "call", [Call(), Call(training=True, seed=np.array([0, 3]))], ids=["evaluation", "training"]
)


def randomize(build: Build, scale: float = 1.0) -> dict[str, np.ndarray]:
    for index, parameter in enumerate(build.parameters.values()):
        parameter.assign(scale * tf.random.stateless_normal(parameter.shape, [index, 9]))
    return {name: parameter.read().numpy() for name, parameter in build.parameters.items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_a_gate_unit_is_that_of_the_paper():
    build = Build()
    gate = GateUnit(build, "g", 5, 3, 4)
    value = randomize(build)
    hidden = np.maximum(X @ value["g/hidden/kernel"] + value["g/hidden/bias"], 0)
    expected = 2 * sigmoid(hidden @ value["g/output/kernel"] + value["g/output/bias"])
    np.testing.assert_allclose(gate(X, Call()), expected, rtol=1e-4)
    randomize(build, 0.0)
    np.testing.assert_array_equal(gate(X, Call()), np.ones([16, 4]))


@CALLS
def test_a_dnn_scaled_by_ones_is_a_dnn(call):
    plain, scaled = DNN(Build(), "d", 5, CONFIG), ScaledDNN(Build(), "d", 5, CONFIG)
    factors = [tf.ones([16, 5]), tf.ones([16, 6])]
    np.testing.assert_array_equal(scaled.scaled(X, factors, call), plain(X, call))


def test_factors_scale_the_input_of_their_layer():
    build = Build()
    dnn = ScaledDNN(build, "d", 5, text_format.Parse("hidden_units: [6, 4] use_bn: false", layer_pb2.DNN()))
    value = randomize(build)
    first, second = (np.random.default_rng(0).uniform(0, 2, [16, width]).astype(np.float32) for width in (5, 6))
    x = X
    for layer, factor in enumerate((first, second)):
        x = np.maximum((x * factor) @ value[f"d/dnn_{layer}/kernel"] + value[f"d/dnn_{layer}/bias"], 0)
    np.testing.assert_allclose(dnn.scaled(X, [first, second], Call()), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_pairs", [1, 3])
def test_a_feature_gate_mixes_its_low_rank_pairs(num_pairs):
    build = Build()
    gate = FeatureGate(build, "f", 5, 2, num_pairs)
    value = randomize(build)
    x = X
    scores = np.exp(x @ value["f/choice/kernel"]) if num_pairs > 1 else np.ones([16, 1])
    weights = scores / scores.sum(axis=1, keepdims=True)
    pairs = [
        x @ value[f"f/pair_{index}/down/kernel"] @ value[f"f/pair_{index}/up/kernel"] for index in range(num_pairs)
    ]
    factors = sum(weights[:, [index]] * 2 * sigmoid(pair) for index, pair in enumerate(pairs))
    np.testing.assert_allclose(gate(X, Call()), x * factors, rtol=1e-4, atol=1e-5)
    randomize(build, 0.0)
    np.testing.assert_allclose(gate(X, Call()), x, rtol=1e-6)


def test_a_self_gate_opens_for_one_and_chooses_among_several():
    one, several = SelfGate(Build(), "s", 5, 1), SelfGate(Build(), "s", 5, 3)
    weights = one(X, Call()).numpy()
    assert np.ptp(weights) > 0.1 and weights.min() > 0 and weights.max() < 1
    np.testing.assert_allclose(tf.reduce_sum(several(X, Call()), axis=1), np.ones(16), rtol=1e-6)


def test_weights_of_self_gates_are_float32_in_bfloat16_too():
    assert SelfGate(Build(), "s", 5, 3)(X, Call(dtype=tf.bfloat16)).dtype == tf.float32
    assert GateUnit(Build(), "g", 5, 3, 4)(X, Call(dtype=tf.bfloat16)).dtype == tf.bfloat16
