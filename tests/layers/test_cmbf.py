"""CMBF against its formulas: tokens of each side, what attends to what, and what is pooled."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config.modalities import ModalityShapes
from easymtl.layers.cmbf import CMBF, check_cmbf
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.model_pb2 import CMBFTower
from tests.formulas import dense, encode, feed_forward, heads, relu, token_norm
from tests.layers import modalities
from tests.layers.histories import LENGTHS, encoder_names, exist, padded, rectangle, segments
from tests.layers.modalities import (
    ALL,
    GENERAL,
    IMAGES,
    LONGEST,
    OTHER,
    ROWS,
    TEXTS,
    Made,
    Parts,
    everything,
    require_learning,
)
from tests.layers.named.building import evaluation, training

SIZES = "multi_head_num: 2 image_multi_head_num: 2 text_multi_head_num: 2 image_head_size: 3 text_head_size: 2 "
CROSS = "image_cross_head_size: 3 text_cross_head_size: 2 max_position_embeddings: 5 text_seq_emb_dropout_prob: 0 "


def config(text: str) -> CMBFTower:
    return text_format.Parse(text, CMBFTower())


def make(text: str, parts: Parts) -> Made:
    return modalities.make(CMBF, config(text), parts)


def tokens_of_texts(weights, width: int = 4, has_types: bool = False) -> tuple[list[np.ndarray], np.ndarray]:
    tokens = []
    for index, flat in enumerate(TEXTS.values()):
        x = padded(flat, LONGEST)
        x = x if width == 4 else dense(weights, f"txt_seq_projection_{index}", x)
        x = x + weights[f"position_embedding/position_embeddings_{index}"][:LONGEST]
        if has_types:
            x = x + weights["token_type/token_type_embeddings"][index]
        tokens.append(token_norm(weights, f"LayerNorm{f'_{index}' if index else ''}", x))
    return tokens, exist(LONGEST)


def mean(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (x * mask[:, :, np.newaxis]).sum(1) / np.maximum(mask.sum(1), 1)[:, np.newaxis]


def cross(weights, name: str, own, other, own_mask, other_mask) -> np.ndarray:
    seen = heads(weights, f"{name}/attention/cross", own, other, other_mask, 2)
    attended = heads(weights, f"{name}/attention/self", seen, seen, own_mask, 2) + seen
    return feed_forward(weights, name, token_norm(weights, f"{name}/attention/output/LayerNorm", attended), relu)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_images_and_texts_attend_to_themselves_and_then_to_each_other(layout, call):
    text = SIZES + CROSS + "image_self_attention_layer_num: 2 cross_modal_layer_num: 2 use_token_type: true "
    made = make(text + "other_feature_dnn { hidden_units: 3 use_bn: false }", ALL)
    weights = made.weights
    image = dense(weights, "img_projection", np.stack(IMAGES, 1))
    image = encode(weights, "image_self_attention", image, everything(2), 2, num_layers=2)
    texts, mask = tokens_of_texts(weights, has_types=True)
    tokens = np.concatenate([dense(weights, "txt_projection", np.stack(GENERAL, 1)), *texts], axis=1)
    masks = np.concatenate([everything(2), mask, mask], axis=1)
    tokens = encode(weights, "text_self_attention", tokens, masks, 2)
    for index in range(2):
        left, right = (f"{name}_cross_layer_{index}" for name in ("left_to_right", "right_to_left"))
        image, tokens = (
            cross(weights, left, image, tokens, everything(2), masks),
            cross(weights, right, tokens, image, masks, everything(2)),
        )
    means = [mean(tokens[:, start : start + LONGEST], mask) for start in (2, 2 + LONGEST)]
    other = relu(dense(weights, "other_dnn/dnn_0", OTHER))
    expected = np.concatenate([image.mean(1), tokens[:, :2].reshape([ROWS, -1]), *means, other], axis=1)
    assert made.layer.width == expected.shape[1] == 6 + 4 * 4 + 3
    np.testing.assert_allclose(made(layout, call), expected, rtol=1e-3, atol=1e-4)
    assert [variable.shape for variable in made.build.regularized] == [(2, 3)], (
        "l2 reaches the DNN of other features alone"
    )


@pytest.mark.parametrize("layout", [segments, rectangle])
def test_a_row_without_texts_does_not_depend_on_how_long_those_of_its_batch_are(layout):
    text = SIZES + CROSS + "image_self_attention_layer_num: 1 text_self_attention_layer_num: 1 cross_modal_layer_num: 1"
    made = make(text, Parts(IMAGES, texts=TEXTS))
    row, nothing = LENGTHS.index(0), {name: np.zeros([0, 4]) for name in TEXTS}
    alone = made.reads(Parts([one[row:][:1] for one in IMAGES], texts=nothing))(lambda flat: layout(flat, (0,)))
    np.testing.assert_allclose(alone[0], made(layout)[row], rtol=1e-5, atol=1e-6)


def test_weights_bear_the_names_of_checkpoints():
    weights = make(SIZES + CROSS + "image_self_attention_layer_num: 1", Parts(IMAGES, GENERAL, TEXTS)).weights
    names = encoder_names("image_self_attention_layer_0") | encoder_names("text_self_attention_layer_0")
    for name in ("left_to_right_cross_layer_0", "right_to_left_cross_layer_0"):
        names |= encoder_names(name) - {f"{name}/attention/output/dense/{part}" for part in ("kernel", "bias")}
        names |= {
            f"{name}/attention/cross/{part}/{w}" for part in ("query", "key", "value") for w in ("kernel", "bias")
        }
    names |= {f"{name}/{part}" for name in ("img_projection", "txt_projection") for part in ("kernel", "bias")}
    names |= {f"LayerNorm{number}/{part}" for number in ("", "_1") for part in ("gamma", "beta")}
    names |= {f"position_embedding/position_embeddings_{number}" for number in (0, 1)}
    assert set(weights) == names


def test_the_patches_of_one_image_are_tokens():
    made = make(SIZES + "image_feature_patch_num: 2 image_self_attention_layer_num: 1", Parts(IMAGES[:1]))
    patches = dense(made.weights, "img_projection", IMAGES[0].reshape([ROWS, 2, 4]))
    expected = encode(made.weights, "image_self_attention", patches, everything(2), 2).mean(1)
    np.testing.assert_allclose(made(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("width", [None, 5])
def test_the_numbers_of_one_image_are_tokens(width):
    text = f"image_feature_dim: {width} " if width else ""
    made = make(SIZES + text + "image_self_attention_layer_num: 1", Parts(IMAGES[:1]))
    weights = made.weights
    image = dense(weights, "img_projection", IMAGES[0]) if width else IMAGES[0]
    assert weights["img_map_matrix"].shape == (1, width or 8, 6) and ("img_projection/kernel" in weights) == bool(width)
    tokens = image[:, :, np.newaxis] * weights["img_map_matrix"]
    expected = encode(weights, "image_self_attention", tokens, everything(width or 8), 2).mean(1)
    np.testing.assert_allclose(made(), expected, rtol=1e-3, atol=1e-4)


def test_without_layers_of_their_own_images_have_the_width_of_the_layers_between():
    made = make("multi_head_num: 2 image_cross_head_size: 3", Parts(IMAGES))
    expected = dense(made.weights, "img_projection", np.stack(IMAGES, 1)).mean(1)
    np.testing.assert_allclose(made(), expected, rtol=1e-4, atol=1e-5)


def test_texts_alone_of_another_width_are_projected():
    text = "text_head_size: 3 text_multi_head_num: 2 max_position_embeddings: 5 text_seq_emb_dropout_prob: 0"
    made = make(text, Parts(texts=TEXTS))
    texts, mask = tokens_of_texts(made.weights, width=6)
    tokens = encode(made.weights, "text_self_attention", np.concatenate(texts, 1), np.concatenate([mask, mask], 1), 1)
    expected = [mean(tokens[:, :LONGEST], mask), mean(tokens[:, LONGEST:], mask)]
    result = made()
    np.testing.assert_allclose(result, np.concatenate(expected, 1), rtol=1e-3, atol=1e-4)
    assert not np.any(result[LENGTHS.index(0)]), "a text without steps has the mean 0"


def test_general_features_alone_need_no_mask():
    made = make(SIZES, Parts(general=GENERAL))
    tokens = dense(made.weights, "txt_projection", np.stack(GENERAL, 1))
    expected = encode(made.weights, "text_self_attention", tokens, everything(2), 2)
    np.testing.assert_allclose(made(), expected.reshape([ROWS, -1]), rtol=1e-3, atol=1e-4)


def test_other_features_alone_pass():
    made = make("", Parts(other=OTHER))
    np.testing.assert_array_equal(made(), OTHER.astype(np.float32))
    assert made.weights == {} and made.layer.width == 2


def test_dropout_of_texts_drops_while_training():
    text = "text_head_size: 4 use_position_embeddings: false "
    made = make(text, Parts(texts=TEXTS))
    assert not any("position" in name for name in made.weights)
    assert np.abs(made(call=training) - made()).max() > 0.01


def test_every_weight_learns_but_biases_that_softmax_takes_away():
    text = SIZES + CROSS + "image_self_attention_layer_num: 1 use_token_type: true"
    require_learning(make(text, Parts(IMAGES, GENERAL, TEXTS)))


def test_a_text_that_is_too_long_says_what_to_do():
    made = make("text_head_size: 4 max_position_embeddings: 2", Parts(texts=TEXTS))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"bottom_cmbf: title has more steps than .* max_seq_len: 2"
    ):
        made()


SHAPES = ModalityShapes([8, 8], [5], {"title": 4}, 2)


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (SIZES, ModalityShapes(), 'reads the feature groups "image", "general", "text", "other", but there is none'),
        (
            SIZES,
            ModalityShapes(general=[4, 6]),
            "needs features of one width in the group general, but they have widths 4, 6; give",
        ),
        (SIZES, ModalityShapes(image=[4, 6]), "needs features of one width in the group image"),
        (SIZES, ModalityShapes(text={"a": 4, "b": 6}), "needs features of one width in the group text"),
        ("multi_head_num: 0", SHAPES, "has multi_head_num 0; it is 1 or more"),
        ("hidden_dropout_prob: 1", SHAPES, "has hidden_dropout_prob 1"),
        ("text_seq_emb_dropout_prob: 1", SHAPES, "has text_seq_emb_dropout_prob 1"),
        (
            SIZES,
            SHAPES,
            "needs image_cross_head_size, the width of a head, where images have no layers of their own",
        ),
        ("image_self_attention_layer_num: 1", SHAPES, "needs text_head_size, 1 or more"),
        (
            SIZES + "image_self_attention_layer_num: 1 max_position_embeddings: 4",
            SHAPES,
            "needs image_cross_head_size, the width of a head of the layers between images and texts",
        ),
        (
            SIZES + "image_self_attention_layer_num: 1 image_feature_patch_num: 3",
            SHAPES,
            "has image_feature_patch_num 3, but the group image has 2",
        ),
        (
            SIZES + "image_feature_patch_num: 3 image_self_attention_layer_num: 1",
            ModalityShapes([8]),
            "has image_feature_patch_num 3, but the feature of the group image has 8 numbers",
        ),
        (
            "text_head_size: 4",
            ModalityShapes(text={"a": 4}),
            "needs max_position_embeddings, the steps of the longest text",
        ),
        (
            "multi_head_num: 3 text_head_size: 4",
            ModalityShapes(general=[4]),
            "has text_head_size * text_multi_head_num 4, which is no multiple of multi_head_num 3",
        ),
        (
            "multi_head_num: 3 image_head_size: 4 image_self_attention_layer_num: 1",
            ModalityShapes(image=[4]),
            "has image_head_size * image_multi_head_num 4, which is no multiple of multi_head_num 3",
        ),
        (
            "text_head_size: 4 other_feature_dnn { hidden_units: 2 }",
            ModalityShapes(general=[4]),
            "has other_feature_dnn",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(text, shapes, message):
    with pytest.raises(ShapeFault) as caught:
        check_cmbf(config(text), shapes)
    assert str(caught.value).startswith(message)
