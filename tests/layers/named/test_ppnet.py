"""PPNet: what gates read, and what they scale."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.norm import EPSILON
from tests.formulas import dense, gate, relu, sigmoid
from tests.layers.named.building import make, refusal, training, values, vectors

INPUTS = vectors(4, 2)
MLP = "mlp { hidden_units: [6, 5] use_bn: false use_final_bn: false }"


@pytest.mark.parametrize("is_full", [True, False])
def test_eager_gates_scale_the_input_of_each_layer(is_full):
    made = make("PPNet", f"{MLP} full_gate_input: {str(is_full).lower()}", INPUTS)
    x, read = values(INPUTS)
    hidden, read = x, np.concatenate([x, read], axis=1) if is_full else read
    kernels = {name: value.shape for name, value in made.weights.items() if name.endswith("kernel")}
    assert kernels == {
        "gate_0/dense/kernel": (6 if is_full else 2, 4),
        "gate_0/weight/kernel": (4, 4),
        "layer_0/dense/kernel": (4, 6),
        "layer_1/dense/kernel": (6, 5),
        "gate_1/dense_1/kernel": (6 if is_full else 2, 6),
        "gate_1/weight/kernel": (6, 6),
    }
    for index in range(2):
        hidden = relu(
            hidden * gate(made.weights, f"gate_{index}", index, read) @ made.weights[f"layer_{index}/dense/kernel"]
        )
    np.testing.assert_allclose(made([x, values(INPUTS)[1]]), hidden, rtol=1e-5, atol=1e-5)


def test_lazy_gates_scale_the_output_of_each_layer():
    made = make("PPNet", f"{MLP} gate_params {{ hidden_dim: 3 }} mode: 'lazy'", INPUTS)
    x, prior = values(INPUTS)
    hidden, read = x, np.concatenate([x, prior], axis=1)
    assert made.weights["gate_2/dense_1/kernel"].shape == (6, 3)
    for index in range(2):
        hidden = relu(hidden @ made.weights[f"layer_{index}/dense/kernel"])
        hidden = hidden * gate(made.weights, f"gate_{index + 1}", index, read)
    np.testing.assert_allclose(made([x, prior]), hidden, rtol=1e-5, atol=1e-5)


def test_gates_are_trained_with_norm_and_dropout():
    text = "mlp { hidden_units: 5 use_final_bn: false } gate_params { use_bn: true dropout_rate: 0.5 hidden_dim: 8 }"
    made = make("PPNet", f"{text} mode: 'lazy'", INPUTS)
    assert "gate_1/dense/bias" not in made.weights and "gate_1/weight/bias" not in made.weights
    x, prior = values(INPUTS)
    read = np.concatenate([x, prior], axis=1)
    hidden = dense(made.weights, "gate_1/dense", read)
    hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + EPSILON)
    hidden = relu(hidden * made.weights["gate_1/bn/gamma"] + made.weights["gate_1/bn/beta"])
    [own] = made.layer.gates
    kept = own.dropout(np.ones(hidden.shape, np.float32), training()).numpy()
    assert set(kept.ravel()) == {0.0, 2.0}
    factor = 2 * sigmoid(dense(made.weights, "gate_1/weight", hidden * kept))
    expected = relu(x @ made.weights["layer_0/dense/kernel"]) * factor
    before = own.norm.mean.numpy()
    np.testing.assert_allclose(made([x, prior], training()), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(own.norm.mean - before).max() > 0


def test_the_gradient_of_gates_stops_at_the_input_that_they_scale():
    made = make("PPNet", f"{MLP[:-1]} use_bias: true use_final_bias: true }} mode: 'lazy'", INPUTS)
    for layer in made.layer.mlp.layers:
        # What they give does not depend on x: only through the gates could a gradient come.
        layer.dense.kernel.assign(tf.zeros_like(layer.dense.kernel))
        layer.dense.bias.assign(tf.ones_like(layer.dense.bias))
    x, prior = (tf.constant(one, tf.float32) for one in values(INPUTS))
    with tf.GradientTape() as tape:
        tape.watch([x, prior])
        result = tf.reduce_sum(made([x, prior]))
    to_input, to_prior = tape.gradient(result, [x, prior])
    assert not np.any(to_input) and np.any(to_prior)


def test_l2_reaches_the_layers_alone():
    made = make("PPNet", MLP, INPUTS)
    assert [tuple(variable.shape) for variable in made.build.regularized] == [(4, 6), (6, 5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mode: 'eager'", "needs mlp.hidden_units, for example hidden_units: [128, 64]"),
        (f"{MLP} mode: 'lacy'", 'has mode "lacy", which is none of "eager", "lazy". Did you mean "lazy"?'),
        (
            f"{MLP} gate_params {{ output_dim: 7 }}",
            "has gate_params.output_dim 7, but the gate scales its input of width 4; leave it out",
        ),
        (f"{MLP} gate_params {{ dropout_rate: 1 }}", "has gate_params.dropout_rate 1, outside of [0, 1)"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    assert refusal("PPNet", text, INPUTS) == message


def test_output_dim_may_say_what_is_so():
    assert refusal("PPNet", f"{MLP} gate_params {{ output_dim: 4 }}", INPUTS) == "nothing"
    assert refusal("PPNet", f"{MLP} mode: 'lazy' gate_params {{ output_dim: 7 }}", INPUTS) == "nothing"
    assert "takes a list of two tensors" in refusal("PPNet", MLP, vectors(4)[0])
