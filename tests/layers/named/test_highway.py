"""Highway layers against their formula."""

import numpy as np
import pytest

from easymtl.layers.context import Build
from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import vector
from easymtl.protos.backbone_pb2 import HighWayTower
from tests.formulas import dense, relu, sigmoid
from tests.layers.named.building import make, refusal, training, values


def test_the_gate_mixes_the_layer_with_its_input():
    made = make("Highway", "emb_size: 6 num_layers: 2", vector(4))
    assert {name: value.shape for name, value in made.weights.items() if "kernel" in name} == {
        "input_projection/kernel": (4, 6),
        "gate_0/kernel": (6, 6),
        "dense/kernel": (6, 6),
        "gate_1/kernel": (6, 6),
        "dense_1/kernel": (6, 6),
    }
    x = values(vector(4))
    expected = dense(made.weights, "input_projection", x)
    for gate, layer in (("gate_0", "dense"), ("gate_1", "dense_1")):
        share = sigmoid(dense(made.weights, gate, expected))
        expected = share * relu(dense(made.weights, layer, expected)) + (1 - share) * expected
    np.testing.assert_allclose(made(x), expected, rtol=1e-5, atol=1e-5)


def test_an_input_of_the_right_width_is_not_projected():
    for text in ("", "emb_size: 4"):
        assert not any("projection" in name for name in make("Highway", text, vector(4)).weights)


def test_a_new_layer_hands_on_most_of_its_input():
    layer = LAYERS["Highway"].layer(build := Build(), "b", HighWayTower(), vector(4))
    np.testing.assert_array_equal(build.parameters["b/gate_0/bias"].read(), np.full(4, -3.0))
    x = values(vector(4)).astype(np.float32)
    assert np.abs(layer(x, training()) - x).max() < 0.5
    assert build.regularized == []


def test_dropout_and_activation_are_those_of_the_layer_and_not_of_the_mix():
    made = make("Highway", "dropout_rate: 0.5 activation: 'tanh'", vector(4))
    x = values(vector(4))
    share, hidden = sigmoid(dense(made.weights, "gate_0", x)), np.tanh(dense(made.weights, "dense", x))
    changed = (made(x, training()).numpy() - (1 - share) * x) / share / hidden
    assert set(np.round(changed.ravel(), 3)) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_layers: 0", "has num_layers 0, which does nothing; leave the block out"),
        ("dropout_rate: 1", "has dropout_rate 1, outside of [0, 1)"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    assert refusal("Highway", text, vector(4)) == message
    assert 'Did you mean "relu"?' in refusal("Highway", "activation: 'rellu'", vector(4))
