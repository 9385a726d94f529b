"""Features that are made together are what each is alone, in a graph of few operations."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.features.pieces import Bags, Dense, Ids
from easymtl.features.together import kinds_together
from easymtl.features.words import WordsTogether
from tests.features.feature_cases import make_pipeline

NAN, INF = float("nan"), float("inf")
BIG = 2**63 - 1
VALUES = {
    "text": ["", "a", "你好", "x" * 1000, "2", "a|b|a", "|"],
    "word": ["a", "b", "", "z", "1:a", "0:b", "好"],
    "filled": ["", "b", "c", "", "a|", "b|c|", "d"],
    "n32": [0, -1, -(2**31), 2**31 - 1, 7, 8, 9],
    "n64": [0, -1, -BIG - 1, BIG, -2, 19, 20],
    "real": [NAN, 0.125, -3.0, 1e9, INF, -INF, 0.5],
    "wide": [NAN, 1e300, -1e39, 2.5, INF, 0.0, 1 / 3],
    "half": [NAN, 0.1, 0.2, -0.0, 3.0, 1e30, INF],
    "fine": [NAN, 0.125, -3.0, 1e9, -0.04, 0.1, 0.5],
    "flag": [True, False, True, False, True, False, True],
    "digits": ["", "0", "-1.5", "1e400", "nan", "1700000050000", "3"],
}
TYPES = {
    "text": "STRING", "word": "STRING", "filled": "STRING", "n32": "INT32", "n64": "INT64", "real": "FLOAT",
    "wide": "DOUBLE", "half": "FLOAT", "flag": "BOOL", "digits": "STRING", "fine": "FLOAT",
}  # fmt: skip
TABLE = "embedding_dim: 4 hash_bucket_size"
HASHED = [
    f'feature_name: "h0" input_names: "text" {TABLE}: 1',
    f'feature_name: "h1" input_names: "word" {TABLE}: 1000003',
    f'feature_name: "h2" input_names: "filled" {TABLE}: {2**40}',
    f'feature_name: "h3" input_names: "n64" {TABLE}: 100',
    f'feature_name: "h4" input_names: "fine" precision: 2 {TABLE}: 50',
    f'feature_name: "h5" input_names: "fine" precision: 1 {TABLE}: 50',
    f'feature_name: "h6" input_names: "flag" {TABLE}: 7',
]
LISTED = [
    'feature_name: "w0" input_names: "word" embedding_dim: 4 vocab_list: ["a", "b"]',
    'feature_name: "w1" input_names: "text" embedding_dim: 4 vocab_list: ["b", "a", "1:a", "你好"]',
    'feature_name: "w2" input_names: "filled" embedding_dim: 4 vocab_list: ["d", "0:b"]',
    'feature_name: "w3" input_names: "n32" embedding_dim: 4 vocab_list: ["7", "-1"]',
    'feature_name: "w4" input_names: "fine" precision: 1 embedding_dim: 4 vocab_list: ["0.1", "-3.0"]',
]
NUMBERED = [
    'feature_name: "b0" input_names: "n32" embedding_dim: 4 num_buckets: 8',
    'feature_name: "b1" input_names: "n64" embedding_dim: 4 num_buckets: 20',
    f'feature_name: "b2" input_names: "n64" embedding_dim: 4 num_buckets: {2**40}',
    'feature_name: "b3" input_names: "flag" embedding_dim: 4 num_buckets: 1',
]
BUCKETS = "feature_type: RawFeature embedding_dim: 4 boundaries"
CUT = [
    f'feature_name: "c{place}" input_names: "{field}" {BUCKETS}: {ends} {more}'
    for place, (field, ends, more) in enumerate(
        [
            ("n32", "[0, 7]", ""),
            ("n64", "[-1, 0, 19, 20]", ""),
            ("real", "[0.125]", ""),
            ("half", "[-1, 0, 0.1, 0.2]", ""),
            ("wide", "[0, 2.5]", ""),
            ("digits", "[0, 3]", ""),
            ("n32", "[0.5]", "min_val: 1 max_val: 8"),
            ("half", "[0.1, 0.5]", "min_val: 0.1 max_val: 0.3"),
            ("real", "[0.5, 2]", "normalizer_fn: 'log1p'"),
            ("flag", "[1]", ""),
        ]
    )
]
PLAIN = [
    f'feature_name: "p{place}" input_names: "{field}" feature_type: RawFeature {more}'
    for place, (field, more) in enumerate(
        [
            ("n32", ""),
            ("n64", "min_val: -2 max_val: 20"),
            ("real", ""),
            ("half", ""),
            ("half", "min_val: 0.1 max_val: 0.3"),
            ("wide", ""),
            ("wide", "normalizer_fn: 'lambda x: tf.sqrt(x) / 10'"),
            ("digits", ""),
        ]
    )
]
TAGS = "feature_type: TagFeature embedding_dim"
TAGGED = [
    f'feature_name: "t0" input_names: "text" {TAGS}: 4 hash_bucket_size: 10',
    f'feature_name: "t1" input_names: "filled" {TAGS}: 8 hash_bucket_size: 1000003',
    f'feature_name: "t2" input_names: "filled" {TAGS}: 4 hash_bucket_size: 50 combiner: "mean"',
    f'feature_name: "t3" input_names: "text" {TAGS}: 4 hash_bucket_size: 50 combiner: "mean"',
    f'feature_name: "t4" input_names: "word" {TAGS}: 4 hash_bucket_size: 50 combiner: "sqrtn" separator: ":"',
]
ALL = [*HASHED, *LISTED, *NUMBERED, *CUT, *PLAIN, *TAGGED]


def make_features(features) -> FeatureSet:
    pipeline = make_pipeline(TYPES, features)
    for field in pipeline.data_config.input_fields:
        field.default_val = {"filled": "b|c", "half": "0.2"}.get(field.input_name, "")
    return FeatureSet(pipeline)


def columns_of(features: FeatureSet, rows=slice(None)) -> dict[str, tf.Tensor]:
    return {name: tf.constant(VALUES[name], kind)[rows] for name, kind in features.field_types.items()}


def require_as_alone(features, packed, columns):
    """Each feature is what its transform makes of the filled column."""
    tensors = features.packing.tensors
    for name, transform in features.transforms.items():
        piece = transform([features.filled(field, columns[field]) for field in transform.inputs])
        slot = next(slot for slot in features.slots if slot.feature == name)
        tensor = "ids" if isinstance(piece, Ids) else "dense" if isinstance(piece, Dense) else "bag_ids"
        (place,) = tensors[tensor].places(slot)
        found = packed[tensor][:, place].numpy()
        if isinstance(piece, Bags):
            kept = found >= 0
            assert kept.sum(axis=1).tolist() == piece.lengths.numpy().tolist(), name
            np.testing.assert_array_equal(found[kept], piece.ids, err_msg=name)
            weights = packed["bag_weights"][:, place].numpy()
            ones = np.ones(len(piece.ids), np.float32)
            np.testing.assert_array_equal(weights[kept], ones if piece.weights is None else piece.weights, err_msg=name)
            assert not weights[~kept].any()
            continue
        np.testing.assert_array_equal(found, piece.ids if tensor == "ids" else piece.values[:, 0], err_msg=name)


@pytest.mark.parametrize("rows", [slice(None), slice(1, 2), slice(0, 0)], ids=["all", "one", "none"])
def test_features_made_together_are_made_as_each_alone(rows):
    features = make_features(ALL)
    made = [name for _, names in kinds_together(features.transforms, features.field_types) for name in names]
    assert sorted(made) == sorted(features.transforms), "each is one that is made with others"
    columns = columns_of(features, rows)
    require_as_alone(features, features.packed(columns), columns)


@pytest.mark.parametrize("kind", [HASHED[:1], LISTED[1:2], NUMBERED[:1], CUT[7:8], PLAIN[6:7], [*TAGGED[:2], PLAIN[4]]])
def test_few_of_a_kind(kind):
    features = make_features(kind)
    columns = columns_of(features)
    packed = features.packed(columns)
    if "bag_ids" in packed:
        packed["bag_weights"] = tf.cast(packed["bag_ids"] >= 0, tf.float32)
    require_as_alone(features, packed, columns)


def test_other_features_stand_among_them_where_they_did():
    features = make_features([HASHED[0], 'input_names: "digits" embedding_dim: 4 num_buckets: 9', HASHED[1], CUT[0]])
    assert [slot.feature for slot in features.packing.tensors["ids"].slots] == ["h0", "digits", "h1", "c0"]
    columns = columns_of(features) | {"digits": tf.constant(["", "1", "2", "9", "-1", "8", "3"])}
    require_as_alone(features, features.packed(columns), columns)


def test_columns_of_one_value_for_all_rows_are_apart_from_the_others():
    features = make_features([*HASHED[:3], *NUMBERED[:2], *CUT[:2], *PLAIN[2:4], *TAGGED[2:4]])
    columns = columns_of(features)
    once = {"text", "n64", "real"}
    repeated = {name: tf.repeat(value[5:6], 7) if name in once else value for name, value in columns.items()}
    sent = {name: value[5:6] if name in once else value for name, value in columns.items()}
    found, wanted = features.packed(sent, once), features.packed(repeated)
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_further_feature_of_a_kind_is_no_further_operation():
    def num_operations(features):
        made = make_features(features)
        specs = {name: tf.TensorSpec([None], kind) for name, kind in made.field_types.items()}
        function = tf.function(made.packed, input_signature=[specs], autograph=False).get_concrete_function()
        return sum(op.type not in ("Const", "Placeholder") for op in function.graph.get_operations())

    for kind in (HASHED[1:3], NUMBERED[1:3], LISTED[:2], TAGGED[2:4], CUT[2:4]):
        assert num_operations(kind) == num_operations([*kind, kind[0].replace('feature_name: "', 'feature_name: "x')])


def test_words_belong_to_their_features():
    words = WordsTogether([["a", "b"], ["b", "1:a", ""], []])
    texts = tf.constant([["a", "b", "a"], ["b", "1:a", ""], ["", "", "1:b"], ["1:b", "a", "0:a"]])
    assert words(texts).numpy().tolist() == [[0, 0, 0], [1, 1, -1], [-1, -1, 0], [0, 0, 0]]
