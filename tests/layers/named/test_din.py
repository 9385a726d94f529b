"""DIN against its formula."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.norm import EPSILON
from easymtl.layers.shapes import Array, History
from tests.formulas import match, relu, sigmoid, softmax
from tests.layers.histories import LENGTHS, LENGTHS_SHAPE, inputs, numbers, rectangle, rows_of, segments, with_lengths
from tests.layers.named.building import evaluation, make, refusal, training

LAYERS = "attention_dnn { hidden_units: [6, 1] use_bn: false }"
TEXTS = Array((None, 8), tf.string)
HISTORY, QUERY = numbers(1, sum(LENGTHS), 8), numbers(2, len(LENGTHS), 8)


def attend(weights: np.ndarray, history: np.ndarray = HISTORY) -> np.ndarray:
    sums = np.zeros([len(LENGTHS), history.shape[1]])
    np.add.at(sums, rows_of(), weights[:, np.newaxis] * history)
    return sums


def by_softmax(scores: np.ndarray) -> np.ndarray:
    return np.concatenate([softmax(scores[rows_of() == row]) for row, length in enumerate(LENGTHS) if length])


def matched(query: np.ndarray) -> np.ndarray:
    return match(query[rows_of()], HISTORY)


def scores(weights: dict[str, np.ndarray], query: np.ndarray) -> np.ndarray:
    hidden = relu(matched(query) @ weights["din_attention/layer_0/dense/kernel"])
    return (hidden @ weights["din_attention/layer_1/dense/kernel"] + weights["din_attention/layer_1/dense/bias"])[:, 0]


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_the_target_attends_to_the_steps_that_exist(layout, call):
    made = make("DIN", LAYERS, inputs(8, 8))
    assert {name: value.shape for name, value in made.weights.items()} == {
        "din_attention/layer_0/dense/kernel": (32, 6),
        "din_attention/layer_1/dense/kernel": (6, 1),
        "din_attention/layer_1/dense/bias": (1,),
    }
    expected = np.concatenate([attend(by_softmax(scores(made.weights, QUERY))), QUERY], axis=1)
    result = made.layer(with_lengths(layout(HISTORY), QUERY), call())
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert len(made.build.regularized) == 2


def test_a_narrow_target_is_padded_and_the_sum_is_cut_to_its_width():
    made = make("DIN", LAYERS, inputs(8, 5))
    assert made.shape.width == 5 + 8
    padded = np.pad(QUERY[:, :5], [[0, 0], [0, 3]])
    expected = np.concatenate([attend(by_softmax(scores(made.weights, padded)))[:, :5], padded], axis=1)
    result = made.layer(with_lengths(segments(HISTORY), QUERY[:, :5]), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_sigmoid_weighs_each_step_alone(layout):
    made = make("DIN", f"{LAYERS} attention_normalizer: 'sigmoid' need_target_feature: false", inputs(8, 8))
    assert made.shape.width == 8
    expected = attend(sigmoid(scores(made.weights, QUERY) / math.sqrt(8)))
    result = made.layer(with_lengths(layout(HISTORY), QUERY), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_norms_count_the_steps_that_exist(layout):
    made = make("DIN", "attention_dnn { hidden_units: [6, 1] } need_target_feature: false", inputs(8, 8))
    weights = made.weights
    product = matched(QUERY) @ weights["din_attention/layer_0/dense/kernel"]
    normed = (product - product.mean(0)) / np.sqrt(product.var(0) + EPSILON)
    path = "din_attention/layer_0/bn"
    hidden = relu(normed * weights[f"{path}/gamma"] + weights[f"{path}/beta"])
    last = hidden @ weights["din_attention/layer_1/dense/kernel"] + weights["din_attention/layer_1/dense/bias"]
    result = made.layer(with_lengths(layout(HISTORY), QUERY), training())
    np.testing.assert_allclose(result, attend(by_softmax(last[:, 0])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        (LAYERS, inputs(8), "needs a target: put the features of the candidate into the group of the history"),
        (LAYERS, (History(8), LENGTHS_SHAPE, TEXTS), "takes (history, lengths, target) as an input_layer with"),
        (LAYERS, inputs(4, 6), "is given a target of width 6 and a history of width 4; the target must not be wider"),
        (f"{LAYERS} attention_normalizer: 'max'", inputs(4, 4), 'has attention_normalizer "max", which is none of'),
        ("attention_dnn { hidden_units: [6, 2] }", inputs(4, 4), "has attention_dnn.hidden_units [6, 2]; the last one"),
        ("", inputs(4, 4), "needs attention_dnn.hidden_units"),
        (
            "attention_dnn { hidden_units: [6, 1] use_final_bn: true }",
            inputs(4, 4),
            "sets attention_dnn.use_final_bn; the layer that gives the scores is linear",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(text, shape, message):
    assert refusal("DIN", text, shape).startswith(message)


def test_what_its_last_layer_is_anyway_may_be_said():
    text = "attention_dnn { hidden_units: [6, 1] use_final_bn: false final_activation: 'linear' use_final_bias: true }"
    assert make("DIN", text, inputs(4, 4)).shape.width == 8
