"""Attention, of one head and of several, against their formulas."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.shapes import Array, History
from tests.formulas import softmax
from tests.layers.histories import LENGTHS, exist, numbers, padded, rectangle, segments
from tests.layers.named.building import evaluation, make, refusal, training

ROWS = len(LENGTHS)
QUERY, VALUE, KEY = numbers(1, ROWS, 5, 4), numbers(2, ROWS, 3, 6), numbers(3, ROWS, 3, 4)
STEPS = numbers(4, sum(LENGTHS), 4)
CAUSAL = np.tril(np.ones([3, 3], bool))


def shape(x: np.ndarray) -> Array:
    return Array((None, *x.shape[1:]))


def tensors(*arrays: np.ndarray) -> list[tf.Tensor]:
    return [tf.constant(one, tf.float32) for one in arrays]


def without(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, scores, -1e30)


def test_values_are_summed_by_how_well_their_keys_match():
    made = make("Attention", "return_attention_scores: true", [shape(QUERY), shape(VALUE), shape(KEY)])
    weights = softmax(QUERY @ KEY.transpose(0, 2, 1))
    result, scores = made([QUERY, VALUE, KEY])
    np.testing.assert_allclose(scores, weights, atol=1e-5)
    np.testing.assert_allclose(result, weights @ VALUE, rtol=1e-4, atol=1e-5)
    assert made.shape == (Array((None, 5, 6)), Array((None, 5, 3))) and made.weights == {}


@pytest.mark.parametrize(("text", "factor"), [("scale_by_dim: true", 0.5), ("use_scale: true", None)])
def test_scores_are_scaled(text, factor):
    made = make("Attention", text, [shape(QUERY), shape(KEY)])
    factor = factor or made.weights["scale"].item()
    expected = softmax(QUERY @ KEY.transpose(0, 2, 1) * factor) @ KEY
    np.testing.assert_allclose(made([QUERY, KEY]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("text", ["", "use_scale: true"])
def test_concat_scores_by_a_sum_of_tanh(text):
    made = make("Attention", f"score_mode: 'concat' {text}", [shape(QUERY), shape(KEY)])
    scale = made.weights["scale"].item() if text else 1
    sums = np.tanh(scale * (QUERY[:, :, np.newaxis] + KEY[:, np.newaxis])).sum(-1)
    expected = softmax(made.weights["concat_score_weight"].item() * sums) @ KEY
    np.testing.assert_allclose(made([QUERY, KEY]), expected, rtol=1e-4, atol=1e-5)
    assert made.weights["concat_score_weight"].shape == ()


def test_a_causal_mask_leaves_out_what_comes_later():
    made = make("Attention", "use_causal_mask: true", [shape(KEY), shape(KEY)])
    expected = softmax(without(KEY @ KEY.transpose(0, 2, 1), CAUSAL)) @ KEY
    np.testing.assert_allclose(made([KEY, KEY]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_padding_of_a_history_is_not_attended_to(layout, call):
    made = make("Attention", "", [shape(QUERY), History(4)])
    values, mask = padded(STEPS, 3), exist(3)[:, np.newaxis]
    expected = softmax(without(QUERY @ values.transpose(0, 2, 1), mask)) @ values
    result = made.layer([tf.constant(QUERY, tf.float32), layout(STEPS)], call())
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_a_query_that_is_a_history_gives_a_history():
    made = make("Attention", "use_causal_mask: true", [History(4), History(4)])
    assert made.shape == History(4)
    values = padded(STEPS, 3)
    expected = softmax(without(values @ values.transpose(0, 2, 1), CAUSAL & exist(3)[:, np.newaxis])) @ values
    result = made.layer([segments(STEPS), rectangle(STEPS)], evaluation()).segments()
    np.testing.assert_allclose(result.flat, expected[exist(3)], rtol=1e-4, atol=1e-5)


def test_dropout_drops_weights_while_training():
    made = make("Attention", "dropout: 0.5", [shape(QUERY), shape(KEY)])
    assert np.abs(made([QUERY, KEY], training()) - made([QUERY, KEY])).max() > 0.01


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        (
            "",
            [shape(QUERY)],
            "takes [query, value] or [query, value, key], each [batch, items, width] or a history, but",
        ),
        ("", [Array((None, 4)), shape(KEY)], "takes [query, value] or [query, value, key]"),
        ("", [shape(QUERY), shape(VALUE)], "takes queries as wide as keys, but is given 4 and 6"),
        ("", [shape(QUERY), shape(VALUE), shape(QUERY)], "takes a key for each value, but is given [batch, 3, 6] and"),
        ("", [shape(QUERY), History(6), Array((None, None, 4))], "takes a key for each value, but is given"),
        ("score_mode: 'dat'", [shape(QUERY), shape(KEY)], 'has score_mode "dat", which is none of dot, concat'),
        (
            "use_scale: true scale_by_dim: true",
            [shape(KEY), shape(KEY)],
            "has scale_by_dim and use_scale, of which only",
        ),
        ("score_mode: 'concat' scale_by_dim: true", [shape(KEY), shape(KEY)], "has scale_by_dim and score_mode"),
        ("dropout: 1", [shape(KEY), shape(KEY)], "has dropout 1, outside of [0, 1)"),
        ("use_causal_mask: true", [shape(QUERY), shape(KEY)], "has use_causal_mask, for which there must be as many"),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("Attention", text, inputs).startswith(message)


def of_heads(weights, query, value, key, mask=True) -> tuple[np.ndarray, np.ndarray]:
    """Returns the result and the weights of each head, head by head."""
    bias = [weights.get(f"bias{part}", 0.0) for part in ("", "_1", "_2", "_3")]
    q, k, v = (
        np.einsum("btw,wns->bnts", x, weights[f"kernel{part}"]) + (bias[i][:, np.newaxis] if np.ndim(bias[i]) else 0)
        for i, (x, part) in enumerate(((query, ""), (key, "_1"), (value, "_2")))
    )
    scores = softmax(without(q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1]), mask))
    return np.einsum("bnts,nsw->btw", scores @ v, weights["kernel_3"]) + bias[3], scores


HEADS = "num_heads: 2 key_dim: 3"


@pytest.mark.parametrize("call", [evaluation, training])
@pytest.mark.parametrize("has_bias", [True, False])
def test_heads_attend_side_by_side(has_bias, call):
    text = f"{HEADS} value_dim: 5 output_shape: 7 return_attention_scores: true use_bias: {str(has_bias).lower()}"
    made = make("MultiHeadAttention", text, [shape(QUERY), shape(VALUE), shape(KEY)])
    shapes = {name: value.shape for name, value in made.weights.items()}
    kernels = {"kernel": (4, 2, 3), "kernel_1": (4, 2, 3), "kernel_2": (6, 2, 5), "kernel_3": (2, 5, 7)}
    assert shapes == kernels | (
        {"bias": (2, 3), "bias_1": (2, 3), "bias_2": (2, 5), "bias_3": (7,)} if has_bias else {}
    )
    result, scores = made([QUERY, VALUE, KEY], call())
    expected = of_heads(made.weights, QUERY, VALUE, KEY)
    np.testing.assert_allclose(result, expected[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(scores, expected[1], rtol=1e-3, atol=1e-5)
    assert made.shape == (Array((None, 5, 7)), Array((None, 2, 5, 3)))
    assert made.build.regularized == []


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_heads_over_a_history_leave_out_its_padding(layout):
    made = make("MultiHeadAttention", f"{HEADS} use_causal_mask: true", [History(4), History(4), History(4)])
    assert made.shape == History(4)
    values = padded(STEPS, 3)
    mask = CAUSAL & exist(3)[:, np.newaxis, np.newaxis]
    expected, _ = of_heads(made.weights, values, values, values, mask)
    steps = layout(STEPS)
    result = made.layer([steps, steps, steps], evaluation()).segments()
    np.testing.assert_allclose(result.flat, expected[exist(3)], rtol=1e-3, atol=1e-4)


def test_heads_drop_weights_while_training():
    made = make("MultiHeadAttention", f"{HEADS} dropout: 0.5", [shape(QUERY), shape(KEY)])
    assert np.abs(made([QUERY, KEY], training()) - made([QUERY, KEY])).max() > 0.01


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key_dim: 3", "needs num_heads, 1 or more"),
        ("num_heads: 2", "needs key_dim, 1 or more"),
        (f"{HEADS} attention_axes: [1, 2]", "has attention_axes [1, 2]; items stand along axis 1: leave it out"),
        (f"{HEADS} kernel_initializer: 'glorot'", 'has kernel_initializer "glorot"'),
        (f"{HEADS} bias_initializer: 'zero'", 'has bias_initializer "zero"'),
        (f"{HEADS} dropout: 2", "has dropout 2, outside of [0, 1)"),
        (f"{HEADS} use_causal_mask: true", "has use_causal_mask, for which there must be as many queries as values"),
    ],
)
def test_heads_that_cannot_be_built_are_refused(text, message):
    assert refusal("MultiHeadAttention", text, [shape(QUERY), shape(KEY)]).startswith(message)
