"""List columns give the rows that the text of the lists gives, whatever they hold: items are encoded, or texts."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.data.bad_values import usable_rows
from easymtl.data.fields import LISTS
from easymtl.data.rows import Ragged, Rows
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.features.column_pieces import pieces_of_items
from easymtl.features.columns import read_items
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from easymtl.features.lookups import is_missing
from easymtl.features.text import split, split_whole
from tests.features.feature_cases import make_pipeline

TABLE = "embedding_dim: 4 hash_bucket_size: 1009"
HISTORY = 'input_names: "history" feature_type: SequenceFeature'
FEATURES = [
    f'feature_name: "tag" input_names: "tags" feature_type: TagFeature {TABLE}',
    'feature_name: "tag_vocab" input_names: "tags" feature_type: TagFeature combiner: "mean" embedding_dim: 8 '
    'vocab_list: ["b", "a;b", "é"]',
    f'feature_name: "tag_w" input_names: ["tags", "w"] feature_type: TagFeature combiner: "sqrtn" {TABLE}',
    f'feature_name: "tag_kv" input_names: "kv" feature_type: TagFeature kv_separator: ":" combiner: "mean" {TABLE}',
    f'feature_name: "map" input_names: ["key", "kv"] feature_type: LookupFeature kv_separator: ":" {TABLE}',
    f'input_names: ["key", "tags"] feature_type: ComboFeature {TABLE} combo_input_seps: ["", "|"]',
    'feature_name: "vector" input_names: "numbers" feature_type: RawFeature raw_input_dim: 2',
    f'feature_name: "hashed" {HISTORY} {TABLE}',
    f'feature_name: "cut" {HISTORY} max_seq_len: 2 {TABLE}',
    f'feature_name: "tag_h" input_names: "history" feature_type: TagFeature {TABLE}',
    f'feature_name: "parts" {HISTORY} seq_multi_sep: ";" combiner: "mean" {TABLE}',
    f'input_names: "levels" feature_type: SequenceFeature seq_multi_sep: ";" max_seq_len: 3 {TABLE}',
    'feature_name: "seconds" input_names: "numbers" feature_type: SequenceFeature sub_feature_type: RawFeature',
    'feature_name: "buckets" input_names: "short" feature_type: SequenceFeature sub_feature_type: RawFeature '
    "boundaries: [0, 1, 2] embedding_dim: 8 max_seq_len: 2",
    'feature_name: "vectors" input_names: "matrix" feature_type: SequenceFeature sub_feature_type: RawFeature '
    'seq_multi_sep: ";" raw_input_dim: 2',
    'feature_name: "ids" input_names: "wholes" feature_type: SequenceFeature num_buckets: 5 embedding_dim: 8',
]
FIELDS = ["tags", "w", "kv", "key", "numbers", "history", "levels", "short", "matrix", "wholes"]


def pipeline_of(features=FEATURES, fields=FIELDS):
    pipeline = make_pipeline(dict.fromkeys(fields, "STRING"), features)
    text_format.Merge('dbmtl { task_towers { tower_name: "t" label_name: "click" } }', pipeline.model_config)
    pipeline.data_config.ignore_error = True
    return pipeline


OF_HISTORY = [f'feature_name: "h" {HISTORY} {TABLE}', f'feature_name: "cut" {HISTORY} max_seq_len: 2 {TABLE}']


@pytest.fixture(scope="module")
def encoder():
    """Of one column, as two features read it."""
    return Encoder(FeatureSet(pipeline_of(OF_HISTORY, ["history"])))


def read(path, pipeline, encoder: Encoder, items: list[str], batch_rows: int = 3):
    """Returns the rows of a file, how many were left out, and the types of its columns."""
    forms = text_forms(pipeline)
    source = open_source(
        str(path), pipeline.data_config, encoder.fields, batch_rows=batch_rows, forms=forms, items=items
    )
    parts = [usable_rows(encoder, batch, source, [block])[1] for block in source.blocks for batch in source.read(block)]
    return Rows.concat(parts), source.skipped_rows, source.schema


def flat(column) -> list[np.ndarray]:
    if isinstance(column, Ragged):
        weights = [] if column.weights is None else [column.weights]
        return [column.lengths, *weights, *flat(column.values)]
    return [np.asarray(column)]


def require_equal(path, pipeline, encoder, fields_of_items) -> None:
    """Compares items with texts."""
    rows, skipped, schema = read(path, pipeline, encoder, encoder.items)
    texts, skipped_texts, schema_of_texts = read(path, pipeline, encoder, [])
    assert {field.name for field in schema if field.type == LISTS} == fields_of_items
    assert LISTS not in schema_of_texts.types
    assert skipped == skipped_texts
    assert list(rows.columns) == list(texts.columns)
    for name, column in rows.columns.items():
        for one, other in zip(flat(column), flat(texts[name]), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
            assert one.dtype == other.dtype


def lists(items):
    return st.none() | st.lists(st.none() | items, max_size=4)


WORDS = st.sampled_from(["", "a", "b", "c", "a;b", ";", "é", "x y", "a|b"])
NUMBERS = st.sampled_from([0.5, 1.0, -2.0, 3e9, 1e-20, 7.0])
ROW = st.fixed_dictionaries(
    {
        "tags": lists(st.sampled_from(["", "a", "b", "a;b", "é"])),
        "w": lists(NUMBERS),
        "kv": lists(st.sampled_from(["", "a:1", "b:0.5", "a", "a:-1", "c:", "b:1e2"])),
        "key": st.sampled_from(["a", "b", ""]),
        "numbers": lists(NUMBERS),
        "history": lists(WORDS),
        "levels": lists(st.lists(st.none() | st.sampled_from(["", "a", "b"]), max_size=3)),
        "short": lists(st.sampled_from(["", "1", "0.5", "-7", "no number", "inf"])),
        "matrix": lists(st.lists(st.none() | NUMBERS, max_size=3)),
        "wholes": lists(st.integers(-2, 6)),
    }
)
TYPES = {
    "tags": [pa.list_(pa.string()), pa.large_list(pa.dictionary(pa.int8(), pa.string())), pa.list_view(pa.binary())],
    "w": [pa.list_(pa.float64())],
    "kv": [pa.list_(pa.dictionary(pa.int32(), pa.large_string()))],
    "key": [pa.string()],
    "numbers": [pa.list_(pa.float64()), pa.large_list(pa.float32())],
    "history": [
        pa.list_(pa.string()),
        pa.large_list(pa.string_view()),
        pa.list_(pa.dictionary(pa.int16(), pa.string())),
    ],
    "levels": [pa.list_(pa.list_(pa.string())), pa.list_(pa.large_list(pa.dictionary(pa.int32(), pa.string())))],
    "short": [pa.list_(pa.string())],
    "matrix": [pa.list_(pa.list_(pa.float32()))],
    "wholes": [pa.list_(pa.int64()), pa.list_(pa.uint8())],
}


@pytest.fixture(scope="module")
def encoder_of_all():
    return Encoder(FeatureSet(pipeline_of()))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_items_give_the_rows_of_their_text(encoder_of_all, tmp_path_factory, rows, random):
    columns = {}
    for name, types in TYPES.items():
        values, kind = [row[name] for row in rows], random.choice(types)
        if kind == pa.list_(pa.uint8()):
            values = [None if row is None else [one if one is None else abs(one) for one in row] for row in values]
        columns[name] = pa.array(values, kind)
    path = tmp_path_factory.mktemp("items") / "a.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=5, use_dictionary=random.random() < 0.7)
    require_equal(path, pipeline_of(), encoder_of_all, set(FIELDS) - {"key"})


def test_a_history_of_any_items_is_that_of_its_text(encoder, tmp_path):
    values = [["a", "b", "a"], [], None, [""], [None], ["", ""], ["a", None], ["a|b"], [None, "c", ";", "é", "d"]]
    pq.write_table(pa.table({"history": values}), tmp_path / "a.parquet", row_group_size=4)
    require_equal(tmp_path, pipeline_of(OF_HISTORY, ["history"]), encoder, {"history"})


def test_large_dictionaries_and_batches_of_them(encoder, tmp_path):
    """A batch brings the dictionary of its row group, and a dictionary too large for its page goes on as plain text."""
    random, path = np.random.default_rng(3), tmp_path / "a.parquet"
    lengths = random.integers(0, 9, 500)
    words = [str(number) for number in random.integers(0, 300, lengths.sum())]
    values = pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), words)
    sizes = {"row_group_size": 200, "dictionary_pagesize_limit": 300, "data_page_size": 200}
    pq.write_table(pa.table({"history": values}), path, **sizes)
    rows, _, _ = read(path, pipeline_of(OF_HISTORY, ["history"]), encoder, encoder.items, batch_rows=70)
    slot = next(slot for slot in encoder.feature_set.slots if slot.feature == "h")
    found, padded = rows[slot.columns.name], np.maximum(lengths, 1)
    assert found.lengths[:, 0].tolist() == padded.tolist()
    ids = (found.values - slot.offset)[np.repeat(lengths > 0, padded)]
    assert ids.tolist() == tf.strings.to_hash_bucket_fast(words, 1009).numpy().tolist()


def test_each_distinct_item_is_encoded_once(encoder, monkeypatch):
    seen = []
    function = encoder._traced.of_items("history")
    monkeypatch.setattr(encoder._traced, "of_items", lambda field: lambda items: seen.append(items) or function(items))
    values = pa.array([["a", "b", "a"], None, ["b"]] * 9, pa.large_list(pa.dictionary(pa.int32(), pa.string())))
    pieces_of_items("history", values, encoder._traced)
    (items,) = seen
    assert items.distinct.numpy().tolist() == [b"a", b"b", b""]
    assert items.places.numpy().tolist() == [0, 1, 0, 2, 1] * 9
    assert items.lengths.numpy().tolist() == [3, 1, 1] * 9


def test_items_behind_the_cut_are_not_encoded():
    column = pa.array([["a", "b", "c"], ["d"], [], ["a", "b"]], LISTS)
    assert read_items(column, 2).distinct.numpy().tolist() == [b"a", b"b", b"d", b""]
    assert read_items(column, 2).lengths.numpy().tolist() == [2, 1, 1, 2]
    assert read_items(column).places.numpy().tolist() == [0, 1, 2, 3, 4, 0, 1]
    later = column.slice(1)
    assert read_items(later).distinct.numpy().tolist() == [b"a", b"b", b"d", b""]
    assert read_items(later).lengths.numpy().tolist() == [1, 1, 2]
    assert read_items(column.slice(0, 0)).lengths.numpy().tolist() == []


@pytest.mark.parametrize("texts", [["a|b", "", "||", "|c", "é"]])
def test_items_are_split_as_texts_are(texts):
    column = read_items(pa.array([text.split("|") for text in texts], LISTS))
    text = tf.constant(texts)
    for of_items, of_text in (
        (split(column, "|"), split(text, "|")),
        (split_whole(column, "|"), split_whole(text, "|")),
    ):
        assert of_items.pieces.texts().numpy().tolist() == of_text.pieces.texts().numpy().tolist()
        for one, other in zip(of_items[1:], of_text[1:], strict=True):
            assert one.numpy().tolist() == other.numpy().tolist()
    assert is_missing(column).numpy().tolist() == is_missing(text).numpy().tolist()


def test_a_text_in_one_file_makes_all_of_them_texts(tmp_path):
    pipeline = pipeline_of([f'feature_name: "h" {HISTORY} {TABLE}'], ["history"])
    encoder = Encoder(FeatureSet(pipeline))
    pq.write_table(pa.table({"history": [["a", "b"]]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"history": ["a|b"]}), tmp_path / "b.parquet")
    rows, _, schema = read(tmp_path, pipeline, encoder, encoder.items)
    assert schema.field("history").type != LISTS
    first, second = rows["steps_0"].values.reshape(2, 2).tolist()
    assert first == second


def test_an_empty_list_is_the_default_value(tmp_path):
    pipeline = pipeline_of([f'feature_name: "h" {HISTORY} {TABLE}'], ["history"])
    pipeline.data_config.input_fields[0].default_val = "x|y"
    encoder = Encoder(FeatureSet(pipeline))
    pq.write_table(pa.table({"history": [["x", "y"], [], None, ["", ""]]}), tmp_path / "a.parquet")
    rows, _, _ = read(tmp_path, pipeline, encoder, encoder.items)
    x, y = rows["steps_0"].values[:2].tolist()
    assert rows["steps_0"].values[:6].tolist() == [x, y] * 3
    assert rows["steps_0"].lengths[:, 0].tolist() == [2, 2, 2, 2]


def test_what_is_kept_stays_a_text(tmp_path):
    pipeline = pipeline_of([f'feature_name: "h" {HISTORY} {TABLE}'], ["history"])
    encoder = Encoder(FeatureSet(pipeline), keep=["history"])
    pq.write_table(pa.table({"history": [["a", "b"], []]}), tmp_path / "a.parquet")
    rows, _, _ = read(tmp_path, pipeline, encoder, encoder.items)
    assert rows["keep_history"].to_pylist() == ["a|b", None]


@pytest.mark.parametrize(
    "feature, values, message",
    [
        (
            'input_names: "history" feature_type: SequenceFeature num_buckets: 9 embedding_dim: 4',
            [["1", "2"], ["3", "x", "4"], ["x"]],
            r'a\.parquet: row 2 \(row group 0\): field "history" of "h" holds "3\|x\|4"',
        ),
        (
            'input_names: "history" feature_type: TagFeature kv_separator: ":" hash_bucket_size: 9 embedding_dim: 4',
            [["a:1", "b"], ["a:1", "b:x"]],
            r'a\.parquet: row 2 \(row group 0\): field "history" of "h" holds "a:1\|b:x"',
        ),
    ],
)
def test_an_item_that_is_no_number_is_told_with_its_row(tmp_path, feature, values, message):
    pipeline = pipeline_of([f'feature_name: "h" {feature}'], ["history"])
    pipeline.data_config.ignore_error = False
    encoder = Encoder(FeatureSet(pipeline))
    pq.write_table(pa.table({"history": values}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=message):
        read(tmp_path, pipeline, encoder, encoder.items)


def test_histories_of_different_lengths_are_told_with_their_row(tmp_path):
    features = [f'feature_name: "{name}" input_names: "{name}" feature_type: SequenceFeature {TABLE}' for name in "hg"]
    pipeline = pipeline_of(features, ["h", "g"])
    group = pipeline.model_config.feature_groups[0]
    del group.feature_names[:]
    text_format.Merge('sequence_features { group_name: "s" seq_att_map { key: "h" hist_seq: ["h", "g"] } }', group)
    pipeline.data_config.ignore_error = False
    encoder = Encoder(FeatureSet(pipeline))
    pq.write_table(pa.table({"h": [["a"], ["a", "b"]], "g": [["c"], ["c"]]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r'row 2 .*the history "h" has 2 steps and "g" has 1'):
        read(tmp_path, pipeline, encoder, encoder.items)
