"""Norms become a part of the kernels before them, wherever nothing else reads a product; values stay."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.activation import PReLU
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.experts import StackedDNN
from easymtl.layers.mlp import MLP
from easymtl.layers.norm import BatchNorm
from easymtl.protos import layer_pb2
from easymtl.serving.freezing import freeze

TWO_LAYERS = "hidden_units: [6, 3] activation: '{}'"


def used(build: Build) -> Build:
    """Gives norms the statistics and weights of a training."""
    random = np.random.default_rng(3)
    for name, one in build.parameters.items():
        values = {
            "gamma": random.uniform(-2, 2, one.own_shape),
            "moving_mean": random.normal(scale=0.2, size=one.own_shape),
            "moving_variance": random.uniform(0.1, 3, one.own_shape),
            "count": np.full(one.own_shape, 30),
        }.get(name.rsplit("/", 1)[-1], random.normal(size=one.own_shape))
        one.assign(tf.constant(values, tf.float32))
    return build


def frozen(network, rank=2):
    """Returns the ops of a frozen network that are not constant, after a look at what it makes of numbers."""
    spec = {"x": tf.TensorSpec([None] * (rank - 1) + [5], tf.float32)}
    folded = freeze(lambda groups: {"y": network(groups["x"])}, spec, folds_norms=True)
    x = tf.random.stateless_normal([7, 4, 5][-rank:] if rank == 2 else [7, 4, 5], [1, 2])
    np.testing.assert_allclose(folded({"x": x})["y"], network(x), rtol=1e-5, atol=2e-6)
    called = tf.function(lambda x: folded({"x": x}), input_signature=[spec["x"]], autograph=False)
    graph = called.get_concrete_function().graph.as_graph_def()
    (function,) = graph.library.function
    varying = {one.name for one in function.signature.input_arg}
    ops = []
    for node in function.node_def:
        if varying & {text.split(":")[0] for text in node.input}:
            varying.add(node.name)
            ops.append(node.op)
    return ops


@pytest.mark.parametrize("name", ["relu", "linear", "prelu", "tanh"])
def test_dense_layers(name):
    build = Build(seed=1)
    net = DNN(build, "net", 5, text_format.Parse(TWO_LAYERS.format(name), layer_pb2.DNN()))
    used(build)
    ops = frozen(lambda x: net(x, Call()))
    assert ops.count("MatMul") == 2 and ops.count("Sub") == (4 if name == "prelu" else 2)
    assert ops.count("Mul") == (2 if name == "prelu" else 0)


def test_layers_of_steps_are_products_of_rank_3():
    build = Build(seed=1)
    config = text_format.Parse("hidden_units: [6, 3] use_bn: true use_final_bn: true", layer_pb2.MLP())
    net = MLP(build, "net", 5, config)
    used(build)
    assert "Mul" not in frozen(lambda x: net(x, Call()), rank=3)


@pytest.mark.parametrize("is_shared", [True, False])
def test_stacked_layers(is_shared):
    build = Build(seed=1)
    config = text_format.Parse(TWO_LAYERS.format("relu"), layer_pb2.DNN())
    net = StackedDNN(build, ["a", "b", "c"], 5, config)
    used(build)
    ops = frozen(lambda x: net(x if is_shared else tf.stack([x, 2 * x, -x], axis=1), Call()))
    assert ops.count("Mul") == (0 if is_shared else 1) and ops.count("BatchMatMulV2") == (1 if is_shared else 2)


def test_a_product_that_something_else_reads_stays():
    build = Build(seed=1)
    dense, norm, slopes = Dense(build, "d", 5, 4, has_norm=True), BatchNorm(build, ["n"], 4), PReLU(build, ["p"], 4)
    used(build)

    def network(x):
        product = dense.product(x, Call())
        return slopes(norm(product, Call(), dense.bias), Call()) + product

    assert frozen(network).count("Mul") == 2


def test_what_is_no_sum_behind_a_product_with_a_scale_stays():
    kernel, scale = tf.ones([5, 4]), tf.constant([1.0, 2.0, 3.0, 4.0])
    assert frozen(lambda x: (x @ kernel) * scale) == ["MatMul", "Identity", "Identity"]
    # Other columns, and a scale of rows.
    assert frozen(lambda x: tf.reshape(x @ kernel, [-1, 2]) * scale[:2]).count("Mul") == 1
    assert frozen(lambda x: tf.transpose(x[:4] @ kernel) * scale).count("Mul") == 1
    assert frozen(lambda x: (x @ kernel) * 2.0).count("Mul") == 1


@pytest.mark.parametrize("mean, is_folded", [(1.0, True), (500.0, False)])
@pytest.mark.parametrize("is_stacked", [True, False])
def test_a_norm_that_takes_most_of_a_product_away_stays(is_stacked, mean, is_folded):
    """As behind a year that is a number: its kernel, rounded once more, would move scores by more than is allowed."""
    build = Build(seed=1)
    config = text_format.Parse(TWO_LAYERS.format("relu"), layer_pb2.DNN())
    net = StackedDNN(build, ["a", "b"], 5, config) if is_stacked else DNN(build, "a", 5, config)
    used(build)
    for name, one in build.parameters.items():
        if name.endswith("moving_mean") and one.own_shape[-1] == 6:
            one.assign(tf.fill(one.own_shape, mean))
    assert frozen(lambda x: net(x, Call())).count("Mul") == (0 if is_folded else 1)


def test_what_is_folded_is_as_near_as_float32_allows():
    build = Build(seed=1)
    dense, norm = Dense(build, "d", 5, 4, has_norm=True), BatchNorm(build, ["n"], 4)
    used(build)
    x = np.random.default_rng(4).normal(size=[1000, 5]).astype(np.float32)
    specs = {"x": tf.TensorSpec([None, 5], tf.float32)}
    folded = freeze(
        lambda groups: {"y": norm(dense.product(groups["x"], Call()), Call(), dense.bias)}, specs, folds_norms=True
    )
    kernel, bias, gamma, beta = (
        one.numpy().astype(float) for one in (dense.kernel, dense.bias, norm.scale, norm.offset)
    )
    mean, variance = (one.numpy().astype(float) for one in norm.statistics())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    offset = beta - (mean - bias) * scale
    size = np.abs(x) @ np.abs(kernel * scale) + np.abs(beta) + (np.abs(mean) + np.abs(bias)) * np.abs(scale)
    # Five products and their sum, the rounded kernel, and what the scale is made of.
    error = np.abs(folded({"x": tf.constant(x)})["y"] - (x @ (kernel * scale) + offset))
    assert (error <= 10 * 2.0**-24 * size).all()


def test_a_norm_without_a_product_stays():
    build = Build(seed=1)
    norm = BatchNorm(build, ["n"], 5)
    used(build)
    assert frozen(lambda x: norm(tf.nn.relu(x), Call())).count("Mul") == 1


def test_a_kernel_that_would_be_no_number_stays():
    build = Build(seed=1)
    dense, norm = Dense(build, "d", 5, 4, has_norm=True), BatchNorm(build, ["n"], 4)
    used(build)
    dense.kernel.assign(tf.fill([5, 4], 1e38))
    norm.scale.assign(tf.fill([4], 1e4))
    ops = frozen(lambda x: norm(dense.product(x * 1e-38, Call()), Call(), dense.bias))
    assert ops.count("Mul") == 2 and "Sub" not in ops
