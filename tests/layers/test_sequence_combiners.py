"""Combiners of histories against their formulas, in both layouts."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build
from easymtl.layers.sequence_combiners import combined_width, make_combiner
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.feature_pb2 import SequenceCombiner
from tests.formulas import relu, softmax
from tests.layers.histories import LENGTHS, numbers, padded, rectangle, rows_of, segments
from tests.layers.named.building import evaluation, training

WIDTH = 4
HISTORY = numbers(1, sum(LENGTHS), WIDTH)
CNN = "text_cnn { filter_sizes: [2] num_filters: [3] pad_sequence_length: 5 }"


def config(text: str) -> SequenceCombiner:
    return text_format.Parse(text, SequenceCombiner())


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_attention_weighs_steps_by_a_trained_vector(layout, call):
    build = Build()
    combiner = make_combiner(build, "clicks_embedding", config("attention {}"), WIDTH)
    kernel = build.parameters["clicks_embedding/attention/kernel"]
    kernel.assign(numbers(2, WIDTH, 1).astype(np.float32))
    assert list(build.parameters) == ["clicks_embedding/attention/kernel"] and combiner.width == WIDTH
    assert len(build.regularized) == 1
    expected = np.zeros([len(LENGTHS), WIDTH])
    for row, length in enumerate(LENGTHS):
        own = HISTORY[rows_of() == row]
        if length:
            expected[row] = softmax(own @ kernel.read().numpy()[:, 0]) @ own
    history = layout(HISTORY)
    source = history.flat
    with tf.GradientTape() as tape:
        tape.watch(source)
        result = combiner(history, call())
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    if call is training:
        assert np.isfinite(tape.gradient(result, combiner.dense.kernel)).all()


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_text_cnn_bears_the_names_of_the_column(layout):
    build = Build()
    combiner = make_combiner(build, "clicks_embedding", config(CNN), WIDTH)
    path = "clicks_embedding/clicks_embedding_text_cnn/conv1d"
    assert list(build.parameters) == [f"{path}/kernel", f"{path}/bias"] and combiner.width == 3
    kernel = build.parameters[f"{path}/kernel"].read().numpy()
    values = padded(HISTORY, 5)
    windows = [relu(np.einsum("bsw,swn->bn", values[:, i : i + 2], kernel)) for i in range(4)]
    np.testing.assert_allclose(combiner(layout(HISTORY), training()), np.max(windows, 0), rtol=1e-5, atol=1e-6)


def test_widths_are_known_before():
    assert combined_width(config("attention {}"), 6) == 6
    assert combined_width(config(CNN), 6) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; use attention { } or text_cnn { .. }"),
        ("multi_head_attention {}", "is multi_head_attention; use attention { } or text_cnn { .. }"),
        ("text_cnn { filter_sizes: 2 num_filters: 3 }", "needs pad_sequence_length"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    with pytest.raises(ShapeFault) as caught:
        make_combiner(Build(), "clicks_embedding", config(text), WIDTH)
    assert str(caught.value).startswith(message)
