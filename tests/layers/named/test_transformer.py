"""Blocks of attention over items, ids and texts against their formulas."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.shapes import Array, History, vector
from tests.formulas import dense, layer_norm, relu, softmax
from tests.layers.histories import LENGTHS, exist, inputs, numbers, padded, rectangle, segments
from tests.layers.named.building import evaluation, make, refusal, training

WIDTH, ROWS = 4, 3
SIZES = "hidden_size: 4 num_attention_heads: 2 intermediate_size: 5 hidden_dropout_prob: 0"
ITEMS = numbers(1, ROWS, 5, WIDTH)
MASK = np.array([[True] * 5, [True, False, True, False, True], [False] * 5])
IDS = np.array([[1, 5, 6, 0, 2], [3, -1, 7, 2, 2], [0, 0, 0, 0, 0]])
IDS_SHAPES = [Array((None, 5), tf.int64), Array((None, 5), tf.bool)]


def block(weights, path: str, x: np.ndarray, mask: np.ndarray, number: int = 0, activation=relu) -> np.ndarray:
    """The n-th block of a model: names without a number come first."""

    def numbered(name: str, index: int) -> str:
        return f"{path}{name}{f'_{2 * number + index}' if number or index else ''}"

    heads, parts = f"{path}multi_head_attn/", ("", "_1", "_2")
    q, k, v = (
        np.einsum("btw,wns->bnts", x, weights[f"{heads}kernel{part}"]) + weights[f"{heads}bias{part}"][:, np.newaxis]
        for part in parts
    )
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
    both = mask[:, np.newaxis, np.newaxis] & mask[:, np.newaxis, :, np.newaxis]
    attended = softmax(np.where(both, scores, -1e30)) @ v
    attended = np.einsum("bnts,nsw->btw", attended, weights[f"{heads}kernel_3"]) + weights[f"{heads}bias_3"]
    x = layer_norm(weights, numbered("layer_normalization", 0), x + attended, 1e-6)
    hidden = dense(weights, numbered("dense", 1), activation(dense(weights, numbered("dense", 0), x)))
    return layer_norm(weights, numbered("layer_normalization", 1), x + hidden, 1e-6)


@pytest.mark.parametrize("call", [evaluation, training])
def test_a_block_attends_to_items_that_exist(call):
    made = make("TransformerBlock", SIZES, [Array((None, 5, WIDTH)), Array((None, 5), tf.bool)])
    assert made.shape == Array((None, 5, WIDTH)) and made.build.regularized == []
    result = made.layer([tf.constant(ITEMS, tf.float32), tf.constant(MASK)], call())
    np.testing.assert_allclose(result, block(made.weights, "", ITEMS, MASK), rtol=1e-3, atol=1e-4)


def test_scores_of_items_that_attend_to_nothing_learn_as_they_do_in_keras():
    """Their weights are equal, and have the gradient of a softmax of equal scores."""
    made = make("TransformerBlock", SIZES, [Array((None, 5, WIDTH)), Array((None, 5), tf.bool)])
    with tf.GradientTape() as tape:
        result = made.layer([tf.constant(ITEMS[2:], tf.float32), tf.constant(MASK[2:])], training())
        loss = tf.reduce_sum(result * numbers(8, 1, 5, WIDTH))
    assert np.abs(tape.gradient(loss, made.layer.block.heads.kernels[0])).max() > 1e-3


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_a_block_masks_the_padding_of_a_history(layout):
    steps = numbers(2, sum(LENGTHS), WIDTH)
    made = make("TransformerBlock", f"{SIZES} hidden_act: 'tanh'", inputs(WIDTH)[:2])
    assert made.shape == History(WIDTH)
    expected = block(made.weights, "", padded(steps, 3), exist(3), activation=np.tanh)
    for value in (layout(steps), (layout(steps), layout(steps).lengths)):
        result = made.layer(value, evaluation()).segments()
        np.testing.assert_allclose(result.flat, expected[exist(3)], rtol=1e-3, atol=1e-4)


def places(number: int) -> np.ndarray:
    angles = [[place / 10000 ** (2 * i / WIDTH) for i in range(WIDTH // 2)] for place in range(number)]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def encoded(weights, path: str, ids: np.ndarray, mask: np.ndarray, blocks: int) -> np.ndarray:
    table = weights[f"{path}pos_embedding/embedding/embeddings"]
    is_row = (ids >= 0) & (ids < len(table))
    x = table[np.where(is_row, ids, 0)] * math.sqrt(WIDTH) + places(ids.shape[1])
    for index in range(blocks):
        x = block(weights, f"{path}layer_{index}/", x, mask, index)
    return x


@pytest.mark.parametrize("gives_all", [True, False])
def test_ids_are_encoded_with_their_places_and_those_outside_the_table_count_as_0(gives_all):
    text = f"{SIZES} num_hidden_layers: 2 vocab_size: 7 output_all_token_embeddings: {str(gives_all).lower()}"
    made = make("TransformerEncoder", text, IDS_SHAPES)
    expected = encoded(made.weights, "", IDS, MASK, 2)
    result = made.layer([tf.constant(IDS), tf.constant(MASK)], training())
    np.testing.assert_allclose(result, expected if gives_all else expected[:, 0], rtol=1e-3, atol=1e-4)
    assert made.shape == (Array((None, 5, WIDTH)) if gives_all else vector(WIDTH))


def test_by_default_there_is_one_block_as_wide_as_its_items():
    made = make("TransformerEncoder", "hidden_size: 4 num_attention_heads: 2 vocab_size: 7", IDS_SHAPES)
    assert made.weights["layer_0/dense/kernel"].shape == (4, 4) and "layer_1/dense_2/kernel" not in made.weights
    ids = [tf.constant(IDS), tf.constant(MASK)]
    assert np.abs(made.layer(ids, training()) - made.layer(ids, evaluation())).max() > 0.01, "0.1 is dropped"


def hashed(tokens: list[str], size: int) -> np.ndarray:
    return tf.strings.to_hash_bucket_fast(tokens, size).numpy()


TEXTS = ["red shoes", "", "blue  hat", "a b c d e f g h"]
OTHERS = ["x", "y z", "", "w"]


def tokens_of(first: str, second: str) -> list[str]:
    return f"[CLS] {first} [SEP] {second} [SEP] ".split(" ")[:8]


def test_texts_are_tokens_between_separators_cut_to_the_positions_there_are():
    text = f"transformer {{ {SIZES} vocab_size: 20 max_position_embeddings: 8 }}"
    made = make("TextEncoder", text, [Array((None,), tf.string), Array((None, 1), tf.string)])
    assert made.shape == vector(WIDTH)
    pairs = [tokens_of(*pair) for pair in zip(TEXTS, OTHERS)]
    tokens = [one + [""] * (8 - len(one)) for one in pairs]
    ids = np.stack([hashed(one, 20) for one in tokens])
    expected = encoded(made.weights, "transformer/", ids, np.array(tokens) != "", 1)[:, 0]
    result = made.layer([tf.constant(TEXTS), tf.constant(OTHERS)[:, tf.newaxis]], evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)
    alone = made.layer([tf.constant(TEXTS[:1]), tf.constant(OTHERS[:1])[:, tf.newaxis]], evaluation())
    np.testing.assert_allclose(alone, expected[:1], rtol=1e-3, atol=1e-4)


def test_tokens_of_a_vocabulary_have_their_places_as_ids(tmp_path):
    words = ["[PAD]", "[CLS]", "[SEP]", "red", "hat"]
    (tmp_path / "vocab").write_text("\n".join(words))
    text = f"vocab_file: '{tmp_path}/vocab' separator: ',' transformer {{ {SIZES} }}"
    made = make("TextEncoder", text, Array((None,), tf.string))
    ids = np.array([[1, 3, 0, 4, 2, 0], [1, 0, 2, 0, 0, 0]])
    expected = encoded(made.weights, "transformer/", ids, ids != 0, 1)[:, 0]
    result = made.layer(tf.constant(["red,green,hat", ""]), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


def test_the_first_token_reads_those_that_are_known_in_a_vocabulary_without_it(tmp_path):
    (tmp_path / "vocab").write_text("[PAD]\nred\nhat")
    text = f"vocab_file: '{tmp_path}/vocab' separator: ',' transformer {{ {SIZES} }}"
    made = make("TextEncoder", text, Array((None,), tf.string))
    ids = np.array([[0, 1, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0]])
    expected = encoded(made.weights, "transformer/", ids, (ids != 0) | (np.arange(6) == 0), 1)[:, 0]
    result = made.layer(tf.constant(["red,green,hat", "green"]), evaluation())
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)
    alone = made.layer(tf.constant(["green"]), evaluation())
    np.testing.assert_allclose(alone[0], expected[1], rtol=1e-3, atol=1e-4)


def test_a_graph_reads_texts_of_any_batch():
    text = f"transformer {{ {SIZES} vocab_size: 20 max_position_embeddings: 8 }}"
    made = make("TextEncoder", text, [Array((None,), tf.string)])
    run = tf.function(
        lambda x: made.layer([x], evaluation()), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )
    for texts in (TEXTS, TEXTS[:1]):
        np.testing.assert_allclose(run(tf.constant(texts)), made.layer([tf.constant(texts)], evaluation()), atol=1e-5)
    assert run(tf.constant([], tf.string)).shape == (0, WIDTH)


BLOCK = [Array((None, 5, WIDTH)), Array((None, 5), tf.bool)]
TEXT = Array((None,), tf.string)


@pytest.mark.parametrize(
    ("name", "text", "shape", "message"),
    [
        (
            "TransformerBlock",
            SIZES,
            BLOCK[0],
            "takes [items, mask], [batch, items, width] and [batch, items], or a history",
        ),
        (
            "TransformerBlock",
            SIZES.replace("size: 4", "size: 6"),
            BLOCK,
            "has hidden_size 6, but is given items of width 4",
        ),
        ("TransformerBlock", f"{SIZES} vocab_size: 9", BLOCK, "sets vocab_size, which only a TransformerEncoder has"),
        ("TransformerBlock", f"{SIZES} num_hidden_layers: 2", BLOCK, "sets num_hidden_layers, which only a"),
        ("TransformerBlock", "hidden_size: 4", BLOCK, "needs num_attention_heads, 1 or more"),
        (
            "TransformerBlock",
            "hidden_size: 4 num_attention_heads: 3",
            BLOCK,
            "has hidden_size 4, which is no multiple of",
        ),
        ("TransformerBlock", f"{SIZES} hidden_act: 'x'", BLOCK, 'has hidden_act "x"'),
        ("TransformerBlock", f"{SIZES} attention_probs_dropout_prob: 1", BLOCK, "has attention_probs_dropout_prob 1"),
        ("TransformerEncoder", SIZES, IDS_SHAPES, "needs vocab_size, the number of ids"),
        ("TransformerEncoder", f"{SIZES} vocab_size: 9", IDS_SHAPES[0], "takes [ids, mask], both [batch, tokens], but"),
        (
            "TransformerEncoder",
            f"{SIZES} vocab_size: 9 max_position_embeddings: 4",
            IDS_SHAPES,
            "is given 5 tokens, more than max_position_embeddings 4",
        ),
        (
            "TransformerEncoder",
            "hidden_size: 3 num_attention_heads: 3 vocab_size: 9",
            IDS_SHAPES,
            "has hidden_size 3; half of it are sines and half cosines: make it even",
        ),
        (
            "TextEncoder",
            f"transformer {{ {SIZES} vocab_size: 9 }}",
            vector(4),
            "takes texts, one for each row, as raw_input",
        ),
        ("TextEncoder", f"transformer {{ {SIZES} }}", TEXT, "needs vocab_file, or transformer.vocab_size"),
        ("TextEncoder", f"separator: '' transformer {{ {SIZES} vocab_size: 9 }}", TEXT, "has an empty separator"),
        (
            "TextEncoder",
            f"default_token_id: 3 transformer {{ {SIZES} vocab_size: 9 }}",
            TEXT,
            "sets default_token_id, which only a vocab_file gives to unknown tokens; leave it out",
        ),
        (
            "TextEncoder",
            f"transformer {{ {SIZES} vocab_size: 9 output_all_token_embeddings: true }}",
            TEXT,
            "sets transformer.output_all_token_embeddings, but texts have different numbers of tokens",
        ),
        (
            "TextEncoder",
            f"vocab_file: '/none' transformer {{ {SIZES} }}",
            TEXT,
            "has a vocab_file that cannot be used: ",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(name, text, shape, message):
    assert refusal(name, text, shape).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("default_token_id: 2", "has default_token_id 2, which is no place in the 2 tokens of"),
        ("", "has transformer.vocab"),
    ],
)
def test_a_vocabulary_has_to_fit(tmp_path, text, message):
    (tmp_path / "vocab").write_text("a\nb\n")
    size = "" if text else "vocab_size: 3"
    config = f"vocab_file: '{tmp_path}/vocab' {text} transformer {{ {SIZES} {size} }}"
    assert refusal("TextEncoder", config, TEXT).startswith(message)
