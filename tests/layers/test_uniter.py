"""UNITER against its formulas: the tokens of each kind, and the one that is read."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config.modalities import ModalityShapes
from easymtl.layers.context import Build
from easymtl.layers.modalities import Modalities
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.uniter import Uniter, check_uniter
from easymtl.protos.model_pb2 import UniterTower
from tests.layers.histories import (
    LENGTHS,
    dense,
    encode,
    encoder_names,
    exist,
    gelu,
    layer_norm,
    numbers,
    padded,
    rectangle,
    relu,
    segments,
)
from tests.layers.named.building import evaluation, training

ROWS, WIDTH, LONGEST = len(LENGTHS), 6, max(LENGTHS)
SIZES = "hidden_size: 6 num_attention_heads: 2 num_hidden_layers: 2 intermediate_size: 5 max_position_embeddings: 5 "
NO_DROPOUT = "hidden_dropout_prob: 0 attention_probs_dropout_prob: 0 "
IMAGES = [numbers(1, ROWS, 8), numbers(2, ROWS, 8)]
GENERAL = [numbers(3, ROWS, 5)]
TEXTS = {"title": numbers(5, sum(LENGTHS), 4), "genre": numbers(6, sum(LENGTHS), 4)}
OTHER = numbers(7, ROWS, 2)


def config(text: str) -> UniterTower:
    return text_format.Parse(text, UniterTower())


def make(text: str, images=(), general=(), texts=None, other=None) -> tuple[Uniter, dict[str, np.ndarray], Build]:
    texts = texts or {}
    shapes = ModalityShapes(
        [one.shape[1] for one in images],
        [one.shape[1] for one in general],
        {name: one.shape[1] for name, one in texts.items()},
        0 if other is None else other.shape[1],
    )
    build, random = Build(seed=3), np.random.default_rng(8)
    layer = Uniter(build, config(text), shapes)
    for parameter in build.parameters.values():
        parameter.assign(random.uniform(-0.9, 0.9, parameter.shape).astype(np.float32))
    return layer, {name: one.read().numpy().astype(float) for name, one in build.parameters.items()}, build


def run(layer, images=(), general=(), texts=None, other=None, layout=segments, call=evaluation) -> np.ndarray:
    steps = {name: layout(flat) for name, flat in (texts or {}).items()}
    vectors = [[tf.constant(one, tf.float32) for one in group] for group in (images, general)]
    other = None if other is None else tf.constant(other, tf.float32)
    return layer(Modalities(*vectors, steps, other), call()).numpy()


def first_token(weights, tokens: list[np.ndarray], masks: list[np.ndarray], activation=gelu) -> np.ndarray:
    cls = np.tile(weights["cls_emb"], [ROWS, 1, 1])
    x, mask = np.concatenate([cls, *tokens], axis=1), np.concatenate([np.ones([ROWS, 1], bool), *masks], axis=1)
    return encode(weights, "uniter", x, mask, 2, num_layers=2, activation=activation)[:, 0]


def everything(number: int) -> np.ndarray:
    return np.ones([ROWS, number], bool)


@pytest.mark.parametrize("layout", [segments, rectangle])
@pytest.mark.parametrize("call", [evaluation, training])
def test_the_first_token_has_read_all_kinds(layout, call):
    parts = IMAGES, GENERAL, TEXTS, OTHER
    layer, weights, build = make(SIZES + NO_DROPOUT + "other_feature_dnn { hidden_units: 3 use_bn: false }", *parts)
    types = weights["token_type/token_type_embeddings"]
    assert types.shape == (4, WIDTH)
    image = dense(weights, "img_projection", np.stack(IMAGES, 1)) + types[0]
    tokens = [layer_norm(weights, "LayerNorm", image + weights["position_embedding/img_position_embeddings"][:2])]
    tokens.append(layer_norm(weights, "LayerNorm_1", dense(weights, "txt_projection", np.stack(GENERAL, 1)) + types[1]))
    for index, flat in enumerate(TEXTS.values()):
        text = dense(weights, f"txt_seq_projection_{index}", padded(flat, LONGEST)) + types[2 + index]
        text = text + weights[f"position_embedding/txt_position_embeddings_{index}"][:LONGEST]
        tokens.append(layer_norm(weights, f"LayerNorm_{2 + index}", text))
    masks = [everything(3), exist(LONGEST), exist(LONGEST)]
    other = relu(dense(weights, "other_dnn/dnn_0", OTHER))
    expected = np.concatenate([first_token(weights, tokens, masks), other], axis=1)
    assert layer.width == WIDTH + 3
    np.testing.assert_allclose(run(layer, *parts, layout, call), expected, rtol=1e-3, atol=1e-4)
    assert [variable.shape for variable in build.regularized] == [(2, 3)]


def test_weights_bear_the_names_of_checkpoints():
    _, weights, _ = make(SIZES, IMAGES, GENERAL, TEXTS)
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
    layer, weights, _ = make(SIZES + NO_DROPOUT + "hidden_act: 'relu'", texts={"title": text})
    assert not any("token_type" in name or "projection" in name for name in weights)
    tokens = padded(text, LONGEST) + weights["position_embedding/txt_position_embeddings_0"][:LONGEST]
    expected = first_token(weights, [layer_norm(weights, "LayerNorm", tokens)], [exist(LONGEST)], relu)
    np.testing.assert_allclose(run(layer, texts={"title": text}), expected, rtol=1e-3, atol=1e-4)


def test_positions_count_only_if_they_are_used():
    layer, weights, _ = make(SIZES + NO_DROPOUT + "use_position_embeddings: false", IMAGES)
    assert not any("position" in name for name in weights)
    tokens = dense(weights, "img_projection", np.stack(IMAGES, 1)) + weights["token_type/token_type_embeddings"][0]
    expected = first_token(weights, [layer_norm(weights, "LayerNorm", tokens)], [everything(2)])
    np.testing.assert_allclose(run(layer, IMAGES), expected, rtol=1e-3, atol=1e-4)


def test_other_features_alone_pass():
    layer, weights, _ = make(SIZES, other=OTHER)
    np.testing.assert_array_equal(run(layer, other=OTHER), OTHER.astype(np.float32))
    assert weights == {}


def test_dropout_drops_while_training():
    layer, _, _ = make(SIZES, general=GENERAL)
    assert np.abs(run(layer, general=GENERAL, call=training) - run(layer, general=GENERAL)).max() > 0.01


def test_every_weight_learns_but_biases_that_softmax_takes_away():
    layer, _, build = make(SIZES + NO_DROPOUT, IMAGES, GENERAL, TEXTS)
    vectors = [[tf.constant(one, tf.float32) for one in group] for group in (IMAGES, GENERAL)]
    with tf.GradientTape() as tape:
        result = layer(Modalities(*vectors, {name: rectangle(flat) for name, flat in TEXTS.items()}), training())
        loss = tf.reduce_sum(result * numbers(9, *result.shape))
    variables = {name: one.variable for name, one in build.parameters.items()}
    for name, gradient in tape.gradient(loss, variables).items():
        assert gradient is not None and np.isfinite(tf.convert_to_tensor(gradient)).all(), name
        assert name.endswith("key/bias") or np.any(tf.convert_to_tensor(gradient)), name


def test_a_text_that_is_too_long_says_what_to_do():
    layer, _, _ = make(SIZES.replace("embeddings: 5", "embeddings: 2"), texts=TEXTS)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"bottom_uniter: title has more steps than .* max_seq_len: 2"
    ):
        run(layer, texts=TEXTS)


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
