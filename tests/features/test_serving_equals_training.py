"""The exported encoder and that of training make the same of the same rows, whatever the rows hold."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import input_fields
from easymtl.features.columns import as_requested, text_tensor
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import as_trained, make_batch, make_pipeline, serving_tensors

FIELDS = {
    "s": "STRING",
    "t": "STRING",
    "n32": "INT32",
    "n64": "INT64",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "b": "BOOL",
    "digits": "STRING",
    "text_number": "STRING",
    "vec": "STRING",
    "tags": "STRING",
    "kv": "STRING",
    "w": "STRING",
    "history": "STRING",
    "watched": "STRING",
    "map": "STRING",
    "parts": "STRING",
}
TABLE = "embedding_dim: 4 hash_bucket_size: 1009"
WIDE = "embedding_dim: 8 num_buckets: 20"
GROWS = "growing { max_rows: 30 }"
FEATURES = [
    f'feature_name: "id_s" input_names: "s" {TABLE}',
    f'feature_name: "id_n32" input_names: "n32" {TABLE}',
    f'feature_name: "id_n64" input_names: "n64" {WIDE}',
    f'feature_name: "id_f32" input_names: "f32" precision: 2 {TABLE}',
    f'feature_name: "id_b" input_names: "b" {TABLE}',
    f'feature_name: "id_digits" input_names: "digits" {WIDE}',
    'feature_name: "id_vocab" input_names: "t" embedding_dim: 4 vocab_list: ["a", "你好", "é|"]',
    f'feature_name: "tag" input_names: "tags" feature_type: TagFeature {TABLE}',
    f'feature_name: "tag_mean" input_names: "tags" feature_type: TagFeature combiner: "mean" {TABLE}',
    'feature_name: "tag_16" input_names: "tags" feature_type: TagFeature embedding_dim: 16 hash_bucket_size: 10',
    f'feature_name: "tag_free" input_names: "s" feature_type: TagFeature separator: " " {TABLE}',
    f'feature_name: "tag_kv" input_names: "kv" feature_type: TagFeature kv_separator: ":" combiner: "sqrtn" {TABLE}',
    f'feature_name: "tag_w" input_names: ["tags", "w"] feature_type: TagFeature combiner: "mean" {TABLE}',
    'feature_name: "raw_f32" input_names: "f32" feature_type: RawFeature min_val: -3 max_val: 7',
    'feature_name: "raw_log" input_names: "f64" feature_type: RawFeature normalizer_fn: "log1p"',
    'feature_name: "raw_bnd" input_names: "f64" feature_type: RawFeature boundaries: [-1, 0, 0.5] embedding_dim: 4',
    'feature_name: "raw_n64" input_names: "n64" feature_type: RawFeature max_val: 10 num_buckets: 4 embedding_dim: 8',
    'feature_name: "raw_text" input_names: "text_number" feature_type: RawFeature min_val: 1.7e12 max_val: 1.7001e12',
    'feature_name: "raw_text_log" input_names: "text_number" feature_type: RawFeature normalizer_fn: "log1p"',
    'feature_name: "raw_vec" input_names: "vec" feature_type: RawFeature raw_input_dim: 3',
    'feature_name: "raw_emb" input_names: "vec" feature_type: RawFeature raw_input_dim: 2 embedding_dim: 4 '
    'combiner: "mean"',
    f'feature_name: "combo" input_names: ["s", "n64", "b"] feature_type: ComboFeature {TABLE}',
    f'feature_name: "combo_join" input_names: ["s", "n32"] feature_type: ComboFeature combo_join_sep: "_" {TABLE}',
    f'feature_name: "combo_many" input_names: ["tags", "t"] feature_type: ComboFeature combo_input_seps: ["|", ""] '
    f"{TABLE}",
    'feature_name: "expr" input_names: ["n64", "f32", "text_number"] feature_type: ExprFeature '
    'expression: "(n64 + f32) / text_number > 2 | f32 <= 0" ',
    'feature_name: "expr_one" input_names: "f64" feature_type: ExprFeature expression: "f64 * 2 - 1 / f64"',
    'feature_name: "expr_bnd" input_names: ["f64", "b"] feature_type: ExprFeature expression: "f64 * b" '
    "boundaries: [0, 1] embedding_dim: 4",
    'feature_name: "expr_emb" input_names: ["n32", "text_number"] feature_type: ExprFeature '
    'expression: "n32 - text_number" embedding_dim: 4',
    f'feature_name: "lookup" input_names: ["t", "map"] feature_type: LookupFeature kv_separator: ":" {TABLE} '
    'lookup_max_sel_elem_num: 2 combiner: "mean"',
    'feature_name: "lookup_vocab" input_names: ["n32", "map"] feature_type: LookupFeature kv_separator: ":" '
    'embedding_dim: 8 vocab_list: ["a", "0"]',
    'feature_name: "raw_max" input_names: "parts" feature_type: RawFeature seq_multi_sep: ";" combiner: "max"',
    'feature_name: "raw_mean" input_names: "parts" feature_type: RawFeature seq_multi_sep: ";" combiner: "mean" '
    "boundaries: [0, 1] embedding_dim: 4",
    f'feature_name: "hist" input_names: "history" feature_type: SequenceFeature max_seq_len: 3 {TABLE}',
    'feature_name: "hist_items" input_names: "history" feature_type: SequenceFeature seq_multi_sep: ";" '
    f'combiner: "mean" {TABLE}',
    'feature_name: "hist_vocab" input_names: "history" feature_type: SequenceFeature embedding_dim: 4 '
    'vocab_list: ["a", "b"]',
    'feature_name: "seconds" input_names: "watched" feature_type: SequenceFeature sub_feature_type: RawFeature '
    'raw_input_dim: 2 seq_multi_sep: ";" embedding_dim: 4',
    'feature_name: "second_buckets" input_names: "watched" feature_type: SequenceFeature '
    'sub_feature_type: RawFeature boundaries: [0, 5] seq_multi_sep: ";" embedding_dim: 8',
    'feature_name: "plain_seconds" input_names: "watched" feature_type: SequenceFeature '
    'sub_feature_type: RawFeature raw_input_dim: 2 seq_multi_sep: ";"',
    f'feature_name: "id_grows" input_names: "s" embedding_dim: 4 {GROWS}',
    f'feature_name: "n64_grows" input_names: "n64" embedding_dim: 8 embedding_name: "numbers" {GROWS}',
    f'feature_name: "f32_grows" input_names: "f32" precision: 1 embedding_dim: 4 {GROWS}',
    f'feature_name: "digits_grow" input_names: "digits" embedding_dim: 8 embedding_name: "numbers" {GROWS}',
    f'feature_name: "tag_grows" input_names: "tags" feature_type: TagFeature combiner: "mean" embedding_dim: 4 {GROWS}',
    f'feature_name: "kv_grows" input_names: "kv" feature_type: TagFeature kv_separator: ":" embedding_dim: 16 {GROWS}',
    f'feature_name: "combo_grows" input_names: ["s", "n64"] feature_type: ComboFeature embedding_dim: 4 {GROWS}',
    'feature_name: "join_grows" input_names: ["digits", "t"] feature_type: ComboFeature combo_join_sep: "" '
    f"embedding_dim: 4 {GROWS}",
    'feature_name: "combos_grow" input_names: ["tags", "t"] feature_type: ComboFeature combo_input_seps: ["|", ""] '
    f"embedding_dim: 4 {GROWS}",
    f'feature_name: "hist_grows" input_names: "history" feature_type: SequenceFeature embedding_dim: 4 {GROWS}',
    'feature_name: "items_grow" input_names: "history" feature_type: SequenceFeature seq_multi_sep: ";" '
    f'combiner: "mean" embedding_dim: 4 {GROWS}',
]

SEEN = [
    {
        "s": text,
        "t": "你好",
        "n32": 7,
        "n64": number,
        "f32": number / 2,
        "f64": 0.5,
        "b": True,
        "digits": str(number),
        "text_number": "7",
        "vec": "1",
        "tags": f"{text}|x|y",
        "kv": f"x:2|{number}:0.5",
        "w": "1|2",
        "history": f"{text}|b;{text}|",
        "watched": "1;2|3",
        "map": "7:a",
        "parts": "1;2",
    }
    for text, number in zip(["a", "你好", "", "x", " ", "7"], range(-2, 4))
]
"""Rows whose ids have rows in tables that grow."""  # fmt: skip

TEXT = st.one_of(st.none(), st.sampled_from(["", "a", "你好", " ", "\x00", "x" * 5000]), st.text(max_size=8))
# An infinite number is no id, and is refused on both sides.
ID_NUMBER = st.one_of(
    st.none(),
    st.sampled_from([0.0, -0.0, -0.004, -1.0, 0.5, float("nan")]),
    st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
)
NUMBER = st.one_of(ID_NUMBER, st.just(float("inf")))
# Weights have to be finite, as float32 has it; whatever is not is refused on both sides.
WEIGHT = st.sampled_from(["", "0", "-1.5", "2.25", "1e3", "3e38", "1e-30"])
DECIMAL = st.one_of(WEIGHT, st.sampled_from(["nan", "inf", "-inf", "1e39", "1e400", "1700000050000"]))
TAG = st.text(st.characters(codec="utf-8", exclude_characters="|:"), min_size=1, max_size=4)
ROW = st.fixed_dictionaries(
    {
        "s": TEXT,
        "t": TEXT,
        "n32": st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1), st.integers(-2, 30)),
        "n64": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-2, 30)),
        "f32": ID_NUMBER,
        "f64": st.one_of(NUMBER, st.sampled_from([1e39, -1e300])),
        "b": st.one_of(st.none(), st.booleans()),
        "digits": st.one_of(st.none(), st.just(""), st.integers(-3, 40).map(str)),
        "text_number": st.one_of(st.none(), DECIMAL),
        "vec": st.one_of(st.none(), st.lists(DECIMAL, max_size=5).map("|".join)),
        "tags": st.one_of(st.none(), st.lists(st.one_of(st.just(""), TAG), max_size=5).map("|".join)),
        "kv": st.lists(st.tuples(TAG, WEIGHT).map(":".join), max_size=4).map("|".join),
        "map": st.one_of(st.none(), st.text("a0|:é", max_size=9)),
        "parts": st.one_of(st.none(), st.lists(DECIMAL, max_size=4).map(";".join)),
        "w": st.one_of(st.none(), st.lists(WEIGHT, max_size=5).map("|".join)),
        "history": st.one_of(st.none(), st.text("ab;|é", max_size=9)),
        "watched": st.one_of(
            st.none(), st.lists(st.lists(DECIMAL, max_size=3).map(";".join), max_size=4).map("|".join)
        ),
    }
)


@pytest.fixture(scope="module")
def rooms():
    pipeline = make_pipeline(FIELDS, FEATURES)
    features = FeatureSet(pipeline)
    signature = {name: tf.TensorSpec([None], dtype) for name, dtype in features.field_types.items()}
    packed = tf.function(features.packed, input_signature=[signature], autograph=False)
    encoder = Encoder(features)
    features.growing.assign(encoder(make_batch(pipeline, {name: [row[name] for row in SEEN] for name in FIELDS})))
    features.growing.keep()
    return pipeline, features, packed, encoder


def assert_equal(rooms, rows: list[dict]) -> None:
    pipeline, features, transform, encoder = rooms
    batch = make_batch(pipeline, {name: [row[name] for row in rows] for name in FIELDS})
    trained = to_tensors(features.growing.look_up(encoder(batch)))
    served = as_trained(features, transform(serving_tensors(features, batch)))
    assert set(served) == set(trained)
    for name, array in trained.items():
        assert served[name].dtype == array.dtype
        np.testing.assert_array_max_ulp(served[name], array, 2) if array.dtype.kind == "f" else (
            np.testing.assert_array_equal(served[name], array, name)
        )


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=12))
def test_any_rows(rooms, rows):
    assert_equal(rooms, rows)


DEFAULTS = {"s": "a", "t": "é|", "digits": "7", "vec": "1|2", "tags": "x|y", "kv": "x:2", "w": "3"}
DEFAULTS |= {"history": "a|b;a", "watched": "1;2|3", "map": "a:0|0:a", "parts": "2;5"}
DEFAULTS |= {"n32": "5", "n64": "-7", "f32": "2.5", "f64": "-0.25", "b": "true", "text_number": "1700000050000"}


@pytest.fixture(scope="module")
def rooms_with_defaults():
    fields = {name: f'{kind} default_val: "{DEFAULTS[name]}"' for name, kind in FIELDS.items()}
    pipeline = make_pipeline(fields, FEATURES)
    features = FeatureSet(pipeline)
    signature = {name: tf.TensorSpec([None], dtype) for name, dtype in features.field_types.items()}
    packed = tf.function(features.packed, input_signature=[signature], autograph=False)
    return pipeline, features, packed, Encoder(features)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, max_size=12))
def test_what_a_client_sends_and_what_the_reader_fills_in_are_one(rooms_with_defaults, rows):
    """A client knows nothing of the defaults of texts and decimal numbers: it sends '' and NaN."""
    pipeline, features, transform, encoder = rooms_with_defaults
    raw = make_batch(pipeline, {name: [row[name] for row in rows] for name in FIELDS})
    declared = {name: default_scalar(field) for name, field in input_fields(pipeline.data_config).items()}
    read = [fill_empty(raw.column(name), default) for name, default in declared.items()]
    trained = to_tensors(features.growing.look_up(encoder(pa.RecordBatch.from_arrays(read, names=list(declared)))))
    sent = {name: as_requested(raw.column(name), default) for name, default in declared.items()}
    assert not any(column.null_count for column in sent.values())
    columns = {
        name: text_tensor(sent[name]) if kind == tf.string else tf.constant(sent[name].to_pylist(), kind)
        for name, kind in features.field_types.items()
    }
    served = as_trained(features, transform(columns))
    for name, array in trained.items():
        np.testing.assert_allclose(served[name], array, rtol=3e-7, atol=0, err_msg=name)


def test_rows_that_repeat(rooms):
    row = {
        "s": "a b a", "t": "é|", "n32": 7, "n64": -1, "f32": 2.5, "f64": 0.5, "b": True, "digits": "3",
        "text_number": "7", "vec": "1|2|3", "tags": "x|y|x", "kv": "x:2|y:0.5", "w": "1|2",
        "history": "a|b;a|b", "watched": "1;2|3", "map": "7:a|é|:0", "parts": "1;2",
    }  # fmt: skip
    assert_equal(rooms, [row, dict.fromkeys(FIELDS), row, row] * 50)
