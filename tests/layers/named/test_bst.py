"""BST against its formula: where the target stands, what is masked, what comes out."""

import numpy as np
import pytest
import tensorflow as tf

from tests.formulas import dense, encode, gelu, relu, token_norm
from tests.layers.histories import (
    LENGTHS,
    encoder_names,
    exist,
    inputs,
    numbers,
    padded,
    rectangle,
    segments,
    with_lengths,
)
from tests.layers.named.building import evaluation, make, refusal, training

WIDTH, LIMIT, ROWS = 6, 4, len(LENGTHS)
SIZES = (
    f"hidden_size: {WIDTH} num_attention_heads: 2 num_hidden_layers: 2 intermediate_size: 5 max_position_embeddings: 4"
)
NO_DROPOUT = "hidden_dropout_prob: 0 attention_probs_dropout_prob: 0"
HISTORY, QUERY = numbers(1, sum(LENGTHS), WIDTH), numbers(2, ROWS, WIDTH)


def make_bst(text: str, width: int = WIDTH, query: int | None = WIDTH):
    return make("BST", f"{SIZES} {NO_DROPOUT} {text}", inputs(width, query))


def run(made, layout=segments, history=HISTORY, query=QUERY, call=evaluation):
    return made.layer(with_lengths(layout(history), query), call()).numpy()


def encoded(weights, tokens, mask, places, activation=gelu) -> np.ndarray:
    table = weights.get("position_embedding/b")
    x = token_norm(weights, "LayerNorm", tokens + (0 if table is None else table[places]))
    return encode(weights, "b/transformer", x, mask, 2, num_layers=2, activation=activation)


def all_tokens(place: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the tokens and the mask of histories that are padded to the limit, with the target at its place."""
    tokens, mask = padded(HISTORY, LIMIT), exist(LIMIT)
    if place is None:
        return tokens, mask
    parts, masks = [QUERY[:, np.newaxis], tokens], [np.ones([ROWS, 1], bool), mask]
    order = slice(None, None, 1 if place == "head" else -1)
    return np.concatenate(parts[order], axis=1), np.concatenate(masks[order], axis=1)


def test_weights_bear_the_names_of_checkpoints():
    made = make_bst("", width=8, query=5)
    names = encoder_names("b/transformer_layer_0") | encoder_names("b/transformer_layer_1")
    names |= {"b/seq_project/kernel", "b/seq_project/bias", "b/target_project/kernel", "b/target_project/bias"}
    assert set(made.weights) == names | {"position_embedding/b", "LayerNorm/gamma", "LayerNorm/beta"}
    assert made.weights["position_embedding/b"].shape == (LIMIT + 1, WIDTH)
    assert made.build.regularized == []


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
@pytest.mark.parametrize("place", ["head", "tail"])
def test_all_tokens_are_given_side_by_side_padded_to_the_limit(place, layout, call):
    made = make_bst(f"target_item_position: '{place}'")
    assert made.shape.width == (LIMIT + 1) * WIDTH
    tokens, mask = all_tokens(place)
    expected = encoded(made.weights, tokens, mask, np.arange(LIMIT + 1))
    np.testing.assert_allclose(run(made, layout, call=call), expected.reshape([ROWS, -1]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize(("place", "index"), [("head", 0), ("tail", LIMIT)])
def test_the_target_alone_is_the_same_as_among_all_tokens(place, index, layout):
    made = make_bst(f"target_item_position: '{place}' output_all_token_embeddings: false")
    assert made.shape.width == WIDTH
    tokens, mask = all_tokens(place)
    expected = encoded(made.weights, tokens, mask, np.arange(LIMIT + 1))[:, index]
    np.testing.assert_allclose(run(made, layout), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("text", ["target_item_position: 'ignore'", "target_item_position: 'tail'"])
def test_without_a_target_the_last_place_for_a_step_is_given(text):
    """Its padding sees the steps; of a row without steps it sees itself."""
    made = make_bst(f"{text} output_all_token_embeddings: false", query=WIDTH if "ignore" in text else None)
    mask = exist(LIMIT) | (np.array(LENGTHS)[:, np.newaxis] == 0) & (np.arange(LIMIT) == LIMIT - 1)
    expected = encoded(made.weights, padded(HISTORY, LIMIT), mask, np.arange(LIMIT))[:, -1]
    result = run(made, query=QUERY if "ignore" in text else None)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


def test_a_full_history_gives_its_last_step():
    lengths = (LIMIT, 2)
    history = numbers(3, sum(lengths), WIDTH)
    made = make_bst("target_item_position: 'ignore' output_all_token_embeddings: false reserve_target_position: false")
    assert made.weights["position_embedding/b"].shape == (LIMIT, WIDTH)
    tokens, mask = padded(history, LIMIT, lengths), exist(LIMIT, lengths)
    expected = encoded(made.weights, tokens, mask, np.arange(LIMIT))[:, -1]
    result = made.layer(with_lengths(segments(history, lengths)), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


def test_head_without_a_target_gives_the_first_step():
    made = make_bst("output_all_token_embeddings: false", query=None)
    mask = exist(LIMIT) | (np.array(LENGTHS)[:, np.newaxis] == 0) & (np.arange(LIMIT) == 0)
    expected = encoded(made.weights, padded(HISTORY, LIMIT), mask, np.arange(LIMIT))[:, 0]
    np.testing.assert_allclose(run(made, query=None), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("place", ["head", "tail", "ignore"])
def test_the_place_of_a_missing_target_is_padding(place):
    made = make_bst(f"target_item_position: '{place}'", query=None)
    assert made.shape.width == (LIMIT + 1) * WIDTH
    pads = ((1, 0) if place == "head" else (0, 1),)
    tokens = np.pad(padded(HISTORY, LIMIT), [(0, 0), *pads, (0, 0)])
    mask = np.pad(exist(LIMIT), [(0, 0), *pads])
    expected = encoded(made.weights, tokens, mask, np.arange(LIMIT + 1))
    np.testing.assert_allclose(run(made, query=None), expected.reshape([ROWS, -1]), rtol=1e-3, atol=1e-4)


def test_other_widths_are_projected_with_relu_and_padding_stays_masked():
    made = make_bst("hidden_act: 'relu'", width=8, query=5)
    history, query = numbers(5, sum(LENGTHS), 8), numbers(6, ROWS, 5)
    values = relu(dense(made.weights, "b/seq_project", padded(history, LIMIT)))
    target = relu(dense(made.weights, "b/target_project", query))[:, np.newaxis]
    mask = np.concatenate([np.ones([ROWS, 1], bool), exist(LIMIT)], axis=1)
    expected = encoded(made.weights, np.concatenate([target, values], axis=1), mask, np.arange(LIMIT + 1), relu)
    np.testing.assert_allclose(
        run(made, history=history, query=query), expected.reshape([ROWS, -1]), rtol=1e-3, atol=1e-4
    )


def test_positions_count_only_if_they_are_used():
    made = make_bst("use_position_embeddings: false")
    assert "position_embedding/b" not in made.weights
    tokens, mask = all_tokens("head")
    expected = encoded(made.weights, tokens, mask, np.arange(LIMIT + 1))
    np.testing.assert_allclose(run(made), expected.reshape([ROWS, -1]), rtol=1e-3, atol=1e-4)


def test_dropout_drops_while_training():
    made = make("BST", f"{SIZES} hidden_dropout_prob: 0.5 attention_probs_dropout_prob: 0", inputs(WIDTH, WIDTH))
    assert np.abs(run(made, call=training) - run(made)).max() > 0.01
    made = make("BST", f"{SIZES} hidden_dropout_prob: 0 attention_probs_dropout_prob: 0.5", inputs(WIDTH, WIDTH))
    assert np.abs(run(made, call=training) - run(made)).max() > 0.01


def test_a_history_that_is_too_long_says_what_to_do():
    made = make_bst("")
    lengths = (LIMIT + 1,)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"max_position_embeddings 4\. Set max_seq_len: 4"):
        made.layer(with_lengths(segments(numbers(3, 5, WIDTH), lengths), QUERY[:1]), evaluation())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden_size: 6 num_attention_heads: 2 intermediate_size: 4", "needs num_hidden_layers, 1 or more"),
        (
            SIZES.replace("num_attention_heads: 2", "num_attention_heads: 4"),
            "has hidden_size 6, which is no multiple of num_attention_heads 4",
        ),
        (
            SIZES.replace("max_position_embeddings: 4", "max_position_embeddings: 0"),
            "has max_position_embeddings 0; it is the number of steps of the longest",
        ),
        (f"{SIZES} target_item_position: 'end'", 'has target_item_position "end", which is none of head, tail, ignore'),
        (f"{SIZES} hidden_act: 'gelo'", 'has hidden_act "gelo", which is none of'),
        (f"{SIZES} hidden_dropout_prob: 1", "has hidden_dropout_prob 1, outside of [0, 1)"),
    ],
)
def test_what_cannot_be_built_is_refused(text, message):
    assert refusal("BST", text, inputs(WIDTH, WIDTH)).startswith(message)
