"""Dense layers, dropout, and the order of things in a DNN."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense, Dropout
from easymtl.layers.norm import EPSILON
from easymtl.protos import layer_pb2


def training(step: int = 1, seed: int = 0, dtype: tf.DType = tf.float32) -> Call:
    return Call(training=True, dtype=dtype, seed=tf.constant([seed, step], tf.int64))


def config(text: str) -> layer_pb2.DNN:
    return text_format.Parse(text, layer_pb2.DNN())


def mask(dropout: Dropout, call: Call, shape=(64, 32)) -> np.ndarray:
    return dropout(tf.ones(shape), call).numpy() != 0


def test_dense_is_a_product_and_a_bias():
    dense = Dense(Build(), "d", 3, 2)
    dense.bias.assign([0.5, -1.0])
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(dense(tf.constant(x), Call()), x @ dense.kernel.numpy() + [0.5, -1.0], rtol=1e-6)


def test_kernels_are_glorot_uniform():
    kernel = Dense(Build(seed=3), "d", 200, 100).kernel.numpy()
    limit = np.sqrt(6 / 300)
    assert np.abs(kernel).max() <= limit
    assert np.isclose(kernel.std(), limit / np.sqrt(3), rtol=0.02)
    assert abs(kernel.mean()) < 0.003


def test_initial_values_depend_on_seed_and_name_alone():
    first = Dense(Build(seed=1), "a", 4, 4).kernel.numpy()
    build = Build(seed=1)
    Dense(build, "b", 9, 9)
    np.testing.assert_array_equal(Dense(build, "a", 4, 4).kernel, first)
    assert not np.allclose(Dense(build, "c", 4, 4).kernel, first)
    assert not np.allclose(Dense(Build(seed=2), "a", 4, 4).kernel, first)


def test_two_layers_cannot_have_one_name():
    build = Build()
    Dense(build, "a", 2, 2)
    with pytest.raises(AssertionError, match="two parameters are named a/kernel"):
        Dense(build, "a", 2, 2)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_expectation(rate, dtype):
    values = Dropout("d", rate)(tf.ones([1000, 1000], dtype), training())
    assert values.dtype == dtype
    values = values.numpy().astype(np.float64)
    assert np.isclose((values == 0).mean(), rate, atol=0.003)
    assert np.isclose(values.mean(), 1.0, atol=4 * np.sqrt(rate / (1 - rate) / values.size))
    np.testing.assert_allclose(values[values != 0], 1 / (1 - rate), rtol=1e-6 if dtype == tf.float32 else 2**-8)


def test_both_precisions_drop_the_same():
    dropout = Dropout("d", 0.3)
    low = dropout(tf.ones([100, 100], tf.bfloat16), training()).numpy().astype(np.float32)
    assert ((low == 0) != (dropout(tf.ones([100, 100]), training()).numpy() == 0)).mean() < 0.005


def test_dropout_does_nothing_in_evaluation_or_at_rate_0():
    x = tf.random.stateless_normal([4, 3], [1, 2])
    np.testing.assert_array_equal(Dropout("d", 0.5)(x, Call()), x)
    np.testing.assert_array_equal(Dropout("d", 0.0)(x, training()), x)


def test_what_is_dropped_is_a_function_of_seed_step_and_layer():
    dropout = Dropout("d", 0.5)
    first = mask(dropout, training(step=7))
    np.testing.assert_array_equal(first, mask(Dropout("d", 0.5), training(step=7)))
    for other in (
        mask(dropout, training(step=8)),
        mask(dropout, training(step=7, seed=1)),
        mask(Dropout("e", 0.5), training(step=7)),
    ):
        assert 0.4 < (first != other).mean() < 0.6


def test_the_layers_of_a_dnn_drop_different_columns():
    dnn = DNN(Build(), "d", 8, config("hidden_units: [8, 8] dropout_ratio: [0.5, 0.5]"))
    masks = [mask(dropout, training()) for dropout in dnn.dropouts]
    assert 0.4 < (masks[0] != masks[1]).mean() < 0.6


def test_a_layer_is_dense_then_norm_then_activation_then_dropout():
    dnn = DNN(Build(), "d", 5, config("hidden_units: 4 use_bn: true dropout_ratio: 0.5 activation: 'tf.nn.relu'"))
    x = tf.random.stateless_normal([32, 5], [1, 2])
    dense = dnn.dense[0](x, Call()).numpy()
    hidden = np.maximum((dense - dense.mean(0)) / np.sqrt(dense.var(0) + EPSILON), 0)
    y = dnn(x, training()).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 2 * hidden[kept], atol=1e-5)
    assert 0.3 < kept.sum() / (hidden > 0).sum() < 0.7


def test_without_use_bn_there_is_no_norm():
    build = Build()
    DNN(build, "d", 5, config("hidden_units: [4, 3] use_bn: false"))
    assert list(build.parameters) == ["d/dnn_0/kernel", "d/dnn_0/bias", "d/dnn_1/kernel", "d/dnn_1/bias"]


def test_missing_dropout_ratios_drop_nothing():
    dnn = DNN(Build(), "d", 5, config("hidden_units: [4, 3] dropout_ratio: 0.5"))
    assert [dropout.rate for dropout in dnn.dropouts] == [0.5, 0.0]


def test_bfloat16_computes_low_and_keeps_weights_in_float32():
    dnn = DNN(Build(), "d", 64, config("hidden_units: [32, 16] use_bn: true"))
    x = tf.random.stateless_normal([128, 64], [1, 2])
    with tf.GradientTape() as tape:
        low = dnn(x, training(dtype=tf.bfloat16))
        loss = tf.reduce_sum(tf.cast(low, tf.float32) ** 2)
    assert low.dtype == tf.bfloat16
    gradients = tape.gradient(loss, dnn.trainable_variables)
    assert {gradient.dtype for gradient in gradients} == {tf.float32}
    np.testing.assert_allclose(tf.cast(low, tf.float32), dnn(x, training()), atol=0.08)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_a_relu_stands_right_behind_its_norm_so_that_they_can_be_one_kernel(dtype):
    net = DNN(Build(), "net", 5, config("hidden_units: [16, 8]"))
    graph = (
        tf.function(lambda x: net(x, training(dtype=dtype)), autograph=False)
        .get_concrete_function(tf.TensorSpec([None, 5]))
        .graph
    )
    relus = [operation for operation in graph.get_operations() if operation.type == "Relu"]
    assert [relu.inputs[0].op.type for relu in relus] == ["FusedBatchNormV3"] * 2
    for relu in relus:
        assert [consumer.type for consumer in relu.inputs[0].consumers()] == ["Relu"]
