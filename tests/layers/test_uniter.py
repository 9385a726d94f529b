"""UNITER against its formulas: the tokens of each kind, and the one that is read."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config.modalities import ModalityShapes
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.uniter import Uniter, check_uniter
from easymtl.protos.model_pb2 import UniterTower
from tests.formulas import dense, encode, gelu, relu, token_norm
from tests.layers import modalities
from tests.layers.histories import LENGTHS, encoder_names, exist, numbers, padded, rectangle, segments
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

WIDTH = 6
SIZES = "hidden_size: 6 num_attention_heads: 2 num_hidden_layers: 2 intermediate_size: 5 max_position_embeddings: 5 "
NO_DROPOUT = "hidden_dropout_prob: 0 attention_probs_dropout_prob: 0 "


def config(text: str) -> UniterTower:
    return text_format.Parse(text, UniterTower())


def make(text: str, parts: Parts) -> Made:
    return modalities.make(Uniter, config(text), parts)


def first_token(weights, tokens: list[np.ndarray], masks: list[np.ndarray], activation=gelu) -> np.ndarray:
    cls = np.tile(weights["cls_emb"], [ROWS, 1, 1])
    x, mask = np.concatenate([cls, *tokens], axis=1), np.concatenate([np.ones([ROWS, 1], bool), *masks], axis=1)
    return encode(weights, "uniter", x, mask, 2, num_layers=2, activation=activation)[:, 0]


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_the_first_token_has_read_all_kinds(layout, call):
    made = make(SIZES + NO_DROPOUT + "other_feature_dnn { hidden_units: 3 use_bn: false }", ALL)
    weights = made.weights
    types = weights["token_type/token_type_embeddings"]
    assert types.shape == (4, WIDTH)
    image = dense(weights, "img_projection", np.stack(IMAGES, 1)) + types[0]
    tokens = [token_norm(weights, "LayerNorm", image + weights["position_embedding/img_position_embeddings"][:2])]
    tokens.append(token_norm(weights, "LayerNorm_1", dense(weights, "txt_projection", np.stack(GENERAL, 1)) + types[1]))
    for index, flat in enumerate(TEXTS.values()):
        text = dense(weights, f"txt_seq_projection_{index}", padded(flat, LONGEST)) + types[2 + index]
        text = text + weights[f"position_embedding/txt_position_embeddings_{index}"][:LONGEST]
        tokens.append(token_norm(weights, f"LayerNorm_{2 + index}", text))
    masks = [everything(4), exist(LONGEST), exist(LONGEST)]
    other = relu(dense(weights, "other_dnn/dnn_0", OTHER))
    expected = np.concatenate([first_token(weights, tokens, masks), other], axis=1)
    assert made.layer.width == WIDTH + 3
    np.testing.assert_allclose(made(layout, call), expected, rtol=1e-3, atol=1e-4)
    assert [variable.shape for variable in made.build.regularized] == [(2, 3)]


def test_weights_bear_the_names_of_checkpoints():
    weights = make(SIZES, Parts(IMAGES, GENERAL, TEXTS)).weights
    names = encoder_names("uniter_layer_0") | encoder_names("uniter_layer_1")
    projections = ["img_projection", "txt_projection", "txt_seq_projection_0", "txt_seq_projection_1"]
    names |= {f"{name}/{part}" for name in projections for part in ("kernel", "bias")}
    names |= {f"LayerNorm{number}/{part}" for number in ("", "_1", "_2", "_3") for part in ("gamma", "beta")}
    names |= {
        f"position_embedding/{name}_position_embeddings{n}" for name, n in [("img", ""), ("txt", "_0"), ("txt", "_1")]
    }
    assert set(weights) == names | {"token_type/token_type_embeddings", "cls_emb"}


def test_one_kind_has_no_type_and_features_of_the_right_width_are_not_projected():
    text = numbers(9, sum(LENGTHS), WIDTH)
    made = make(SIZES + NO_DROPOUT + "hidden_act: 'relu'", Parts(texts={"title": text}))
    weights = made.weights
    assert not any("token_type" in name or "projection" in name for name in weights)
    tokens = padded(text, LONGEST) + weights["position_embedding/txt_position_embeddings_0"][:LONGEST]
    expected = first_token(weights, [token_norm(weights, "LayerNorm", tokens)], [exist(LONGEST)], relu)
    np.testing.assert_allclose(made(), expected, rtol=1e-3, atol=1e-4)


def test_positions_count_only_if_they_are_used():
    made = make(SIZES + NO_DROPOUT + "use_position_embeddings: false", Parts(IMAGES))
    weights = made.weights
    assert not any("position" in name for name in weights)
    tokens = dense(weights, "img_projection", np.stack(IMAGES, 1)) + weights["token_type/token_type_embeddings"][0]
    expected = first_token(weights, [token_norm(weights, "LayerNorm", tokens)], [everything(2)])
    np.testing.assert_allclose(made(), expected, rtol=1e-3, atol=1e-4)


def test_other_features_alone_pass():
    made = make(SIZES, Parts(other=OTHER))
    np.testing.assert_array_equal(made(), OTHER.astype(np.float32))
    assert made.weights == {}


def test_dropout_drops_while_training():
    made = make(SIZES, Parts(general=GENERAL[:1]))
    assert np.abs(made(call=training) - made()).max() > 0.01


def test_every_weight_learns_but_biases_that_softmax_takes_away():
    require_learning(make(SIZES + NO_DROPOUT, Parts(IMAGES, GENERAL, TEXTS)))


def test_a_text_that_is_too_long_says_what_to_do():
    made = make(SIZES.replace("embeddings: 5", "embeddings: 2"), Parts(texts=TEXTS))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"bottom_uniter: title has more steps than .* max_seq_len: 2"
    ):
        made()


@pytest.mark.parametrize(
    ("text", "shapes", "message"),
    [
        (SIZES, ModalityShapes(), 'reads the feature groups "image", "general", "text", "other", but there is none'),
        ("hidden_size: 6", ModalityShapes(general=[4]), "needs num_hidden_layers, 1 or more"),
        (
            SIZES.replace("heads: 2", "heads: 4"),
            ModalityShapes(general=[4]),
            "has hidden_size 6, which is no multiple of",
        ),
        (
            SIZES.replace("embeddings: 5", "embeddings: 0"),
            ModalityShapes(text={"a": 4}),
            "has max_position_embeddings 0",
        ),
        (SIZES.replace("embeddings: 5", "embeddings: 1"), ModalityShapes(image=[4, 4]), "reads 2 images, more than"),
        (
            SIZES + "other_feature_dnn { hidden_units: 2 }",
            ModalityShapes(general=[4]),
            "has other_feature_dnn, but there",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(text, shapes, message):
    with pytest.raises(ShapeFault) as caught:
        check_uniter(config(text), shapes)
    assert str(caught.value).startswith(message)
