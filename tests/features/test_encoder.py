import threading
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.rows import Ragged, Rows
from easymtl.features import traced
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.features.numbers import NumberColumn
from easymtl.features.tally import ODDITIES
from easymtl.features.traced import TracedTransforms
from tests.features.feature_cases import Case, count_oddities, make_batch, make_pipeline, read_bags

FIELDS = {"user": "STRING", "age": "INT32", "tags": "STRING", "price": "FLOAT", "click": "INT32"}
FEATURES = [
    'input_names: "user" embedding_dim: 4 hash_bucket_size: 50',
    'input_names: "age" embedding_dim: 4 num_buckets: 100',
    'input_names: "tags" feature_type: TagFeature embedding_dim: 4 hash_bucket_size: 50',
    'feature_name: "mean" input_names: "tags" feature_type: TagFeature combiner: "mean" embedding_dim: 4 '
    "num_buckets: 9",
    'input_names: "price" feature_type: RawFeature',
]
COLUMNS = {
    "user": ["u1", "u2", None, "u1"],
    "age": [30, None, 7, 30],
    "tags": ["1|2", "", "3", "1|2"],
    "price": [0.5, 1.5, None, 2.5],
    "click": [1, 0, None, 1],
}


def make_encoder(**options) -> tuple[Encoder, pa.RecordBatch]:
    pipeline = make_pipeline(FIELDS, FEATURES)
    return Encoder(FeatureSet(pipeline), **options), make_batch(pipeline, COLUMNS)


def test_the_columns_of_rows():
    encoder, batch = make_encoder(number_columns=[NumberColumn("click", "click")], keep=["user"])
    rows = encoder(batch)
    assert list(rows.columns) == ["ids_4", "bags_4", "dense", ODDITIES, "numbers", "keep_user"]
    assert rows.num_rows == 4
    assert rows["ids_4"].dtype == np.int32 and rows["ids_4"].flags.c_contiguous
    assert rows["bags_4"].lengths.tolist() == [[2, 2], [0, 0], [1, 1], [2, 2]]
    assert rows["dense"].tolist() == [[0.5], [1.5], [0.0], [2.5]]
    assert rows["keep_user"].to_pylist() == COLUMNS["user"]
    assert encoder.fields == ["user", "age", "tags", "price", "click"]


def test_tensors_of_a_step():
    encoder, batch = make_encoder(number_columns=[NumberColumn("click", "click")], keep=["user"])
    tensors = to_tensors(encoder(batch))
    bags = {"bag_ids_4", "bag_segments_4", "bag_weights_4"}
    assert set(tensors) == {"batch_size", "ids_4", "dense", "numbers"} | bags
    assert tensors["batch_size"] == 4
    assert tensors["bag_segments_4"].tolist() == [0, 0, 1, 1, 4, 5, 6, 6, 7, 7]
    assert tensors["bag_segments_4"].dtype == np.int32
    assert tensors["bag_weights_4"].tolist() == [1, 1, 0.5, 0.5, 1, 1, 1, 1, 0.5, 0.5]


def test_rows_taken_after_encoding_are_the_rows_encoded_after_taking():
    encoder, batch = make_encoder()
    indices = np.array([3, 0, 2, 2])
    taken, encoded = to_tensors(encoder(batch).take(indices)), to_tensors(encoder(batch.take(pa.array(indices))))
    for name, array in encoded.items():
        assert taken[name].tolist() == array.tolist()


def test_slices_with_large_dictionaries_plain_text_and_large_text_give_the_same_rows():
    values = [f"v{i}" for i in range(1000)] + [None, "", "v3"]
    case = Case({"x": "STRING"}, 'input_names: "x" embedding_dim: 4 hash_bucket_size: 99', {"x": values})
    whole = case.rows["ids_4"]
    for start, length in ((0, 7), (995, 8), (500, 0), (1000, 3)):
        part = case.encoder(case.batch.slice(start, length))["ids_4"]
        assert part.tolist() == whole[start : start + length].tolist()
    for kind in (pa.string(), pa.large_string()):
        plain = pa.record_batch({"x": pa.array(values, kind)})
        assert case.encoder(plain)["ids_4"].tolist() == whole.tolist()


def test_integers_that_repeat_and_integers_that_do_not():
    numbers = np.random.default_rng(0)
    feature = 'input_names: "x" embedding_dim: 4 num_buckets: 1000000'
    for high in (5, 1_000_000):
        values = numbers.integers(0, high, 10_000).tolist()
        values[17] = None
        ids = Case({"x": "INT64"}, feature, {"x": values}).ids("x")
        assert ids == [0 if value is None else value for value in values]


def test_no_rows():
    encoder, batch = make_encoder(number_columns=[NumberColumn("click", "click")])
    rows = encoder(batch.slice(0, 0))
    assert rows["ids_4"].shape == (0, 2)
    assert rows["bags_4"].lengths.shape == (0, 2) and len(rows["bags_4"].values) == 0
    assert rows["dense"].shape == (0, 1)
    assert rows["numbers"].shape == (0, 1)


def test_many_threads_give_the_rows_and_counts_of_one():
    encoder, batch = make_encoder()
    first = encoder(batch)
    expected, alone = to_tensors(first), count_oddities(encoder, first)
    assert alone["user"]["missing"]
    wrong = []

    def work() -> None:
        for _ in range(20):
            rows = encoder(batch)
            tensors = to_tensors(rows)
            wrong.extend([] if count_oddities(encoder, rows) == alone else ["counts"])
            wrong.extend(name for name in expected if not np.array_equal(expected[name], tensors[name]))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_each_slot_of_a_width_keeps_its_own_bags():
    encoder, batch = make_encoder()
    rows = encoder(batch)
    slots = {slot.feature: slot for slot in encoder.feature_set.slots}
    assert [[tag for tag, _ in bag] for bag in read_bags(rows, slots["mean"])] == [[1, 2], [], [3], [1, 2]]
    assert all(0 <= tag < 50 for bag in read_bags(rows, slots["tags"]) for tag, _ in bag)


def test_bags_without_weights_have_no_weight_tensor():
    rows = Rows({"bags_8": Ragged(np.array([3, 4, 5]), np.array([[1, 0], [0, 2]], np.int32))})
    tensors = to_tensors(rows)
    assert set(tensors) == {"batch_size", "bag_ids_8", "bag_segments_8"}
    assert tensors["bag_segments_8"].tolist() == [0, 3, 3]


def test_a_group_of_numbers_alone():
    case = Case({"x": "FLOAT"}, 'input_names: "x" feature_type: RawFeature', {"x": [1.0, 2.0]})
    assert list(case.rows.columns) == ["dense", ODDITIES]


@pytest.mark.parametrize("size", [1, 127, 128, 16_383, 16_384, 3_000_000])
def test_texts_of_any_length(size):
    text = "é" * (size // 2) + "x" * (size % 2)
    case = Case(
        {"x": "STRING", "y": "STRING"},
        [
            'input_names: "x" embedding_dim: 4 hash_bucket_size: 1000003',
            f'input_names: "y" embedding_dim: 4 vocab_list: ["other", "{text[:20000]}"]',
        ],
        {"x": ["a", text, "b", text], "y": ["", text[:20000], "q", "other"]},
    )
    first, *rest = case.ids("x")
    assert rest[0] == rest[2] != rest[1] != first
    assert case.ids("y") == [-1, 1, 0, 0]


@pytest.fixture
def made(monkeypatch):
    """The feature sets that functions were traced for; none has been met before."""
    found = []
    monkeypatch.setattr(traced, "_LAST", OrderedDict())
    monkeypatch.setattr(traced, "TracedTransforms", lambda one: found.append(one) or TracedTransforms(one))
    return found


def test_encoders_of_equal_declarations_share_their_traced_functions(made):
    first, again = (FeatureSet(make_pipeline(FIELDS, FEATURES)) for _ in range(2))
    Encoder(first), Encoder(first), Encoder(again)
    assert made == [first]


@pytest.mark.parametrize(
    ("fields", "default", "feature"),
    [
        ("INT64", "", "hash_bucket_size: 10"),
        ("STRING", "b", "hash_bucket_size: 10"),
        ("STRING", "", "hash_bucket_size: 11"),
        ("STRING", "", 'vocab_list: "b"'),
    ],
)
def test_other_declarations_have_functions_of_their_own(made, fields, default, feature):
    declared = 'input_names: "x" embedding_dim: 4 '
    first = make_pipeline({"x": "STRING"}, [declared + "hash_bucket_size: 10"])
    other = make_pipeline({"x": fields}, [declared + feature])
    other.data_config.input_fields[0].default_val = default
    Encoder(FeatureSet(first)), Encoder(FeatureSet(other)), Encoder(FeatureSet(first))
    assert len(made) == 2


def test_a_vocabulary_file_is_read_again(made, tmp_path):
    words = tmp_path / "words.txt"
    pipeline = make_pipeline({"x": "STRING"}, [f'input_names: "x" embedding_dim: 4 vocab_file: "{words}"'])
    rows = make_batch(pipeline, {"x": ["a", "b"]})
    ids = []
    for text in ("a\nb\n", "b\na\n"):
        words.write_text(text)
        ids.append(Encoder(FeatureSet(pipeline))(rows)["ids_4"][:, 0].tolist())
    assert ids[0] == ids[1][::-1]
    assert ids[0][0] != ids[0][1]


def test_only_the_declarations_that_were_met_last_are_kept(made):
    body = 'input_names: "x" embedding_dim: 4 hash_bucket_size: {}'
    first, *others, last = (
        FeatureSet(make_pipeline({"x": "STRING"}, [body.format(size)])) for size in (10, 11, 12, 13, 14, 14, 10)
    )
    for one in (first, *others, last):
        Encoder(one)
    assert made == [first, *others[:-1], last]
