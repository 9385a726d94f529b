"""TextCNN against windows of the padded history, one by one."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Build
from easymtl.layers.text_cnn import TextCNN
from easymtl.protos.backbone_pb2 import TextCNN as TextCNNConfig
from tests.formulas import relu
from tests.layers.histories import LENGTHS, inputs, numbers, padded, rectangle, segments, with_lengths
from tests.layers.named.building import evaluation, make, refusal, training

WIDTH = 4
HISTORY = numbers(1, sum(LENGTHS), WIDTH)
FILTERS = "filter_sizes: [2, 3] num_filters: [4, 3]"


def pooled(weights, length: int, activation=relu, names=("conv1d", "conv1d_1")) -> np.ndarray:
    values = padded(HISTORY, length)
    result = []
    for name in names:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        size = len(kernel)
        windows = [np.einsum("bsw,swn->bn", values[:, i : i + size], kernel) + bias for i in range(length - size + 1)]
        result.append(activation(np.stack(windows)).max(0))
    return np.concatenate(result, axis=1)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
@pytest.mark.parametrize("length", [6, 3])
def test_each_filter_gives_its_maximum_over_the_padded_or_cut_history(layout, call, length):
    made = make("TextCNN", f"{FILTERS} pad_sequence_length: {length} activation: 'tanh'", inputs(WIDTH, 2))
    assert {name: value.shape for name, value in made.weights.items()} == {
        "conv1d/kernel": (2, WIDTH, 4),
        "conv1d/bias": (4,),
        "conv1d_1/kernel": (3, WIDTH, 3),
        "conv1d_1/bias": (3,),
    }
    assert made.shape.width == 7
    result = made.layer(with_lengths(layout(HISTORY)), call())
    np.testing.assert_allclose(result, pooled(made.weights, length, np.tanh), rtol=1e-5, atol=1e-6)


def test_layers_may_follow():
    made = make(
        "TextCNN", f"{FILTERS} pad_sequence_length: 6 mlp {{ hidden_units: 5 use_final_bn: false }}", inputs(WIDTH)
    )
    assert made.shape.width == 5
    expected = relu(pooled(made.weights, 6) @ made.weights["mlp/layer_0/dense/kernel"])
    result = made.layer(with_lengths(segments(HISTORY)), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_convolutions_are_numbered_over_the_model():
    build = Build()
    config = TextCNNConfig(filter_sizes=[2], num_filters=[3], pad_sequence_length=4)
    for name in ("a", "b"):
        TextCNN(build, name, config, WIDTH)
    assert list(build.parameters) == ["a/conv1d/kernel", "a/conv1d/bias", "b/conv1d_1/kernel", "b/conv1d_1/bias"]


def test_a_tensor_that_a_function_has_made_of_the_history_is_taken_with_its_lengths():
    made = make("TextCNN", f"{FILTERS} pad_sequence_length: 6", inputs(WIDTH))
    steps = rectangle(HISTORY)
    lengths = tf.cast(steps.lengths, tf.int64)[:, tf.newaxis]
    np.testing.assert_allclose(
        made.layer((steps.values, lengths), evaluation()), pooled(made.weights, 6), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has filter_sizes [] and num_filters []; give one number of filters for each size"),
        ("filter_sizes: [2, 3] num_filters: 4 pad_sequence_length: 6", "has filter_sizes [2, 3] and num_filters [4]"),
        ("filter_sizes: 0 num_filters: 4 pad_sequence_length: 6", "has filter_sizes [0] and num_filters [4]; each of"),
        (FILTERS, "needs pad_sequence_length, to which each history is padded or cut"),
        (f"{FILTERS} pad_sequence_length: 2", "has pad_sequence_length 2, less than the largest of filter_sizes, 3"),
        (f"{FILTERS} pad_sequence_length: 6 activation: 'rely'", 'has activation "rely"'),
        (f"{FILTERS} pad_sequence_length: 6 mlp {{ }}", "needs mlp.hidden_units"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    assert refusal("TextCNN", text, inputs(WIDTH)).startswith(message)
