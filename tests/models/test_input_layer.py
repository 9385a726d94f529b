"""Numbers that a layer makes vectors of, between the packed columns and the groups of a model, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.config import view
from easymtl.errors import UserError
from easymtl.features.embeddings import Embeddings
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import Build, Call
from easymtl.models.input_layer import InputLayer
from tests.features.feature_cases import make_batch, make_pipeline

FIELDS = {"x": "FLOAT", "y": "FLOAT", "v": "STRING", "n": "INT32"}
COLUMNS = {"x": [0.5, -2.0, None], "y": [1.0, 2.0, 3.0], "v": ["1|2", "3", ""], "n": [0, 5, 13]}
RAW = 'feature_name: "{}" input_names: "{}" feature_type: RawFeature {}'
AUTO_DIS = "auto_dis_embedding { embedding_dim: 4 num_bins: 3 temperature: 0.5 keep_prob: 0.7 }"
PERIODIC = "periodic_embedding { embedding_dim: 6 sigma: 0.3 add_linear_layer: false }"
NARY = "nary_dis_embedding { embedding_dim: 2 carries: [2, 10] num_replicas: 2 }"
FEATURES = [
    RAW.format("plain", "y", ""),
    RAW.format("soft", "x", AUTO_DIS),
    RAW.format("waves", "v", f"raw_input_dim: 2 {PERIODIC}"),
    RAW.format("digits", "n", NARY),
    'feature_name: "sum" input_names: ["x", "y"] feature_type: ExprFeature expression: "x + y" ' + PERIODIC,
    RAW.format("last", "x", ""),
]


def made(features: list[str], groups: dict[str, list[str]] | None = None, dtype: tf.DType = tf.float32):
    """Returns groups, the layers' weights by name, and the shapes."""
    pipeline = make_pipeline(FIELDS, features, groups)
    feature_set, build = FeatureSet(pipeline), Build()
    layer = InputLayer(build, feature_set)
    batch = to_tensors(Encoder(feature_set)(make_batch(pipeline, COLUMNS)))
    embeddings = Embeddings(feature_set, 0)
    vectors = embeddings.looked_up({name: tf.constant(value) for name, value in batch.items()})
    inputs = layer(vectors, Call(training=False, dtype=dtype))
    weights = {name: parameter.variable.numpy().astype(np.float64) for name, parameter in build.parameters.items()}
    return inputs, weights, layer.shapes


@pytest.fixture(scope="module")
def group():
    return made(FEATURES)


def softmax(x: np.ndarray) -> np.ndarray:
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def test_vectors_stand_where_the_config_has_their_features(group):
    inputs, _, shapes = group
    assert dict(shapes.vectors("all")) == {"plain": 1, "soft": 4, "waves": 12, "digits": 8, "sum": 6, "last": 1}
    assert inputs["all"].shape == (3, shapes["all"]) == (3, 32)
    vectors = inputs.vectors("all")
    np.testing.assert_array_equal(vectors["plain"], [[1], [2], [3]])
    np.testing.assert_array_equal(vectors["last"], [[0.5], [-2], [0]])


def test_a_mixture_of_soft_buckets(group):
    inputs, weights, _ = group
    x = np.array([0.5, -2.0, 0.0])
    w, m, e = (
        weights[f"input_layer/soft_auto_dis_embedding/{part}"]
        for part in ("project_w", "project_mat", "meta_embedding")
    )
    u = w.reshape(3) * x[:, None]
    u = np.where(u > 0, u, 0.2 * u)
    expected = softmax((u @ m.reshape(3, 3).T + 0.7 * u) / 0.5) @ e.reshape(3, 4)
    np.testing.assert_allclose(inputs.vectors("all")["soft"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "numbers"), [("waves", [[1, 2], [3, 0], [0, 0]]), ("sum", [[1.5], [0.0], [3.0]])])
def test_waves_of_each_number_with_frequencies_of_its_own(group, name, numbers):
    inputs, weights, _ = group
    numbers = np.array(numbers, np.float64)
    frequencies = weights[f"input_layer/{name}_periodic_embedding/coefficients"].reshape(numbers.shape[1], 3)
    angles = 2 * np.pi * frequencies * numbers[:, :, None]
    expected = np.concatenate([np.sin(angles), np.cos(angles)], -1).reshape(3, -1)
    np.testing.assert_allclose(inputs.vectors("all")[name], expected, rtol=1e-5, atol=1e-6)


def test_digits(group):
    inputs, weights, _ = group
    table = weights["input_layer/digits_nary_dis_embedding/embed_table"].reshape(-1, 4)
    offset = 2 * 32
    zero = np.concatenate([table[0], table[offset]])
    five = np.concatenate([table[1] + table[2] + table[4 + 1], table[offset + 5]])
    np.testing.assert_allclose(inputs.vectors("all")["digits"][:2], [zero, five], rtol=1e-5, atol=1e-6)


def test_each_group_has_weights_of_its_own():
    features = [RAW.format("soft", "x", AUTO_DIS), RAW.format("plain", "y", "")]
    inputs, weights, _ = made(features, {"one": ["soft"], "two": ["plain", "soft"]})
    assert len(weights) == 6
    assert not np.allclose(inputs["one"], inputs["two"][:, 1:])


def test_the_width_that_rules_go_by_is_the_one_of_the_layer(group):
    _, _, shapes = group
    declared = view.features(make_pipeline(FIELDS, FEATURES))
    assert [view.feature_width(feature) for feature in declared] == list(shapes.vectors("all").values())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (RAW.format("x", "x", f"embedding_dim: 4 {AUTO_DIS}"), "exclude each other"),
        (RAW.format("x", "x", f"boundaries: 1 embedding_dim: 4 {PERIODIC}"), "exclude each other"),
        (RAW.format("x", "x", "auto_dis_embedding { embedding_dim: 4 num_bins: 3 }"), "needs temperature"),
        (RAW.format("x", "x", PERIODIC.replace("6", "5")), "embedding_dim is 5; sines and cosines need an even one"),
        (RAW.format("x", "x", "periodic_embedding { embedding_dim: 4 }"), "needs sigma"),
        (RAW.format("x", "x", PERIODIC.replace("0.3", "-0.3")), "needs sigma above 0"),
        (RAW.format("x", "x", NARY.replace("[2, 10]", "1")), r"carries is \[1\]; bases of numbers are 2 to 65536"),
        (RAW.format("x", "x", NARY.replace("carries", "intra_ary_pooling: 'men' carries")), 'Did you mean "mean"'),
        (RAW.format("x", "x", NARY.replace("dim: 2", "dim: 2 output_tensor_list: true")), "is for blocks"),
        (
            RAW.format("x", "x", 'periodic_embedding { embedding_dim: 4 sigma: 1 linear_activation: "rellu" }'),
            'Did you mean "relu"',
        ),
        (f'input_names: "n" embedding_dim: 4 num_buckets: 9 {PERIODIC}', "IdFeature does not have"),
    ],
)
def test_what_makes_no_vectors(body, says):
    with pytest.raises(UserError, match=says):
        FeatureSet(make_pipeline(FIELDS, [body]))


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16], ids=lambda one: one.name)
def test_vectors_that_layers_make_in_a_narrow_type_stand_beside_the_others(dtype):
    history = (
        'feature_name: "h" input_names: "v" feature_type: SequenceFeature separator: "|" num_buckets: 9 '
        "embedding_dim: 4 sequence_combiner { %s }"
    )
    cnn = "text_cnn { num_filters: [3] filter_sizes: [2] pad_sequence_length: 4 }"
    features = [history % "attention {}", (history % cnn).replace('"h"', '"k"'), *FEATURES[:2]]
    wide, *_ = made(features)
    narrow, *_ = made(features, dtype=dtype)
    assert narrow["all"].dtype == tf.float32
    np.testing.assert_allclose(narrow["all"], wide["all"], atol=0.02)
