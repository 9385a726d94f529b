"""The MLP of block graphs against its formula, layer by layer."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.norm import EPSILON, MOMENTUM
from easymtl.layers.shapes import ShapeFault
from easymtl.protos import layer_pb2

X = np.random.default_rng(0).normal(size=[32, 5])


def config(text: str) -> layer_pb2.MLP:
    return text_format.Parse(text, layer_pb2.MLP())


def training(step: int = 1, dtype: tf.DType = tf.float32) -> Call:
    return Call(training=True, dtype=dtype, seed=tf.constant([0, step], tf.int64))


def make(text: str) -> tuple[MLP, dict[str, np.ndarray]]:
    """Makes an MLP whose weights are no zeros and ones."""
    build, random = Build(seed=4, bn_debias=False), np.random.default_rng(1)
    mlp = MLP(build, "m", 5, config(text))
    for parameter in build.parameters.values():
        if "batch_normalization" not in parameter.name and not parameter.name.endswith("count"):
            parameter.assign(random.uniform(0.5, 1.5, parameter.shape).astype(np.float32))
    return mlp, {name: parameter.read().numpy().astype(float) for name, parameter in build.parameters.items()}


def relu(x):
    return np.maximum(x, 0)


def norm(x: np.ndarray, weights: dict[str, np.ndarray], path: str, is_training: bool) -> np.ndarray:
    mean = x.mean(0) if is_training else weights[f"{path}/moving_mean"]
    variance = x.var(0) if is_training else weights[f"{path}/moving_variance"]
    return (x - mean) / np.sqrt(variance + EPSILON) * weights[f"{path}/gamma"] + weights[f"{path}/beta"]


def test_by_default_each_layer_is_dense_without_bias_then_norm_then_relu():
    mlp, weights = make("hidden_units: [4, 3]")
    assert mlp.width == 3
    shapes = {name: value.shape for name, value in weights.items() if "count" not in name}
    assert shapes == {
        f"m/layer_{i}/{part}": (inputs, width) if part.startswith("dense") else (width,)
        for i, inputs, width in [(0, 5, 4), (1, 4, 3)]
        for part in ("dense/kernel", "bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance")
    }
    for is_training, call in ((False, Call()), (True, training())):
        x = X
        for index in range(2):
            product = x @ weights[f"m/layer_{index}/dense/kernel"]
            x = relu(norm(product, weights, f"m/layer_{index}/bn", is_training))
        np.testing.assert_allclose(mlp(tf.constant(X, tf.float32), call), x, rtol=1e-4, atol=1e-5)


def test_the_last_layer_has_flags_of_its_own():
    mlp, weights = make(
        "hidden_units: [4, 3, 2] use_bn: false use_final_bn: true use_bias: true activation: 'tanh' "
        "final_activation: 'tf.nn.sigmoid'"
    )
    assert "m/layer_0/dense/bias" in weights and "m/layer_2/dense/bias" not in weights
    assert [name for name in weights if name.endswith("gamma")] == ["m/layer_2/bn/gamma"]
    x = X
    for index in range(2):
        x = np.tanh(x @ weights[f"m/layer_{index}/dense/kernel"] + weights[f"m/layer_{index}/dense/bias"])
    x = norm(x @ weights["m/layer_2/dense/kernel"], weights, "m/layer_2/bn", True)
    np.testing.assert_allclose(mlp(tf.constant(X, tf.float32), training()), 1 / (1 + np.exp(-x)), rtol=1e-5)


def test_the_norm_can_come_after_the_activation():
    mlp, weights = make("hidden_units: 4 use_bn_after_activation: true use_final_bias: true")
    hidden = relu(X @ weights["m/layer_0/dense/kernel"] + weights["m/layer_0/dense/bias"])
    expected = norm(hidden, weights, "m/layer_0/bn", True)
    with tf.GradientTape() as tape:
        y = mlp(tf.constant(X, tf.float32), training())
        loss = tf.reduce_sum(y * y)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    assert len(mlp.trainable_variables) == 4
    assert all(tf.reduce_any(gradient != 0) for gradient in tape.gradient(loss, mlp.trainable_variables))


def test_a_bias_before_a_norm_moves_only_its_mean():
    mlp, weights = make("hidden_units: 4 use_final_bias: true")
    product, bias = X @ weights["m/layer_0/dense/kernel"], weights["m/layer_0/dense/bias"]
    y = mlp(tf.constant(X, tf.float32), training())
    np.testing.assert_allclose(y, relu(norm(product, weights, "m/layer_0/bn", True)), rtol=1e-4, atol=1e-5)
    moved = MOMENTUM * weights["m/layer_0/bn/moving_mean"] + (1 - MOMENTUM) * (product + bias).mean(0)
    np.testing.assert_allclose(mlp.layers[0].norm.mean, moved, rtol=1e-5)
    assert len(mlp.trainable_variables) == 3


@pytest.mark.parametrize("name", ["softmax", "prelu", "dice"])
def test_no_activation_is_taken_for_another_one(name):
    mlp, weights = make(f"hidden_units: 4 use_final_bn: false final_activation: '{name}'")
    hidden = X @ weights["m/layer_0/dense/kernel"]
    if name == "softmax":
        expected = np.exp(hidden) / np.exp(hidden).sum(1, keepdims=True)
    elif name == "prelu":
        expected = np.where(hidden > 0, hidden, hidden * weights["m/layer_0/act/alpha"])
    else:
        share = 1 / (1 + np.exp(-(hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + EPSILON)))
        expected = hidden * (share + (1 - share) * weights["m/layer_0/act/dice_alpha"])
    np.testing.assert_allclose(mlp(tf.constant(X, tf.float32), training()), expected, rtol=1e-4, atol=1e-5)


def test_each_layer_drops_its_own_share_and_none_where_no_rate_is_given():
    mlp, _ = make("hidden_units: [64, 64, 64] use_bn: false use_final_bn: false dropout_ratio: [0.25, 0.5]")
    assert [layer.dropout.rate for layer in mlp.layers] == [0.25, 0.5, 0.0]
    x = tf.ones([200, 5])
    first = mlp.layers[0](x, training()).numpy() == 0
    second = mlp.layers[1](tf.ones([200, 64]), training()).numpy() == 0
    assert np.isclose(first.mean(), 0.25, atol=0.02) and np.isclose(second.mean(), 0.5, atol=0.02)
    assert not (mlp.layers[0](x, Call()).numpy() == 0).any()


def test_tensors_of_higher_rank_are_mapped_vector_by_vector():
    mlp, _ = make("hidden_units: [4, 3]")
    x = X.reshape([4, 2, 4, 5]).astype(np.float32)
    for call in (Call(), training()):
        flat = mlp(tf.constant(x.reshape([-1, 5])), call)
        np.testing.assert_allclose(mlp(tf.constant(x), call), tf.reshape(flat, [4, 2, 4, 3]), rtol=1e-5)


def test_l2_reaches_all_kernels_and_they_are_initialised_as_the_config_says():
    build = Build()
    mlp = MLP(build, "m", 300, config("hidden_units: [200, 100] use_final_bias: true"))
    assert [variable.shape for variable in build.regularized] == [(300, 200), (200, 100)]
    assert np.isclose(mlp.layers[0].dense.kernel.numpy().std(), np.sqrt(2 / 300), rtol=0.02)
    glorot = MLP(Build(), "m", 300, config("hidden_units: 200 initializer: 'glorot_uniform'"))
    assert np.isclose(glorot.layers[0].dense.kernel.numpy().std(), np.sqrt(2 / 500), rtol=0.02)


def test_every_weight_learns_in_both_precisions():
    for dtype in (tf.float32, tf.bfloat16):
        mlp, _ = make("hidden_units: [4, 3] activation: 'dice' final_activation: 'prelu' use_final_bias: true")
        with tf.GradientTape() as tape:
            y = tf.cast(mlp(tf.constant(X, tf.float32), training(dtype=dtype)), tf.float32)
            loss = tf.reduce_sum((y - 1) ** 3)
        gradients = tape.gradient(loss, mlp.trainable_variables)
        assert all(gradient.dtype == tf.float32 and tf.reduce_any(gradient != 0) for gradient in gradients)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs expert_mlp.hidden_units"),
        ("hidden_units: [4, 0]", "has a layer of width 0 in expert_mlp.hidden_units"),
        ("hidden_units: 4 dropout_ratio: [0.1, 0.2]", "has 2 values of expert_mlp.dropout_ratio for 1 hidden_units"),
        ("hidden_units: 4 dropout_ratio: 1.5", r"has expert_mlp.dropout_ratio 1.5, outside of \[0, 1\)"),
        ("hidden_units: 4 activation: 'rellu'", 'has expert_mlp.activation "rellu", which is .* Did you mean "relu"?'),
        ("hidden_units: 4 final_activation: 'x'", 'has expert_mlp.final_activation "x", which is none of "relu"'),
        ("hidden_units: 4 initializer: 'HeUniforn'", 'initializer "HeUniforn", .* Did you mean "he_uniform"?'),
        ("hidden_units: 4 add_to_outputs: true", "sets expert_mlp.add_to_outputs"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    with pytest.raises(ShapeFault, match=message):
        mlp_width(config(text), "expert_mlp")


def test_a_block_of_its_own_can_be_an_output():
    assert mlp_width(config("hidden_units: [4, 1] add_to_outputs: true dropout_ratio: 0.5")) == 1
