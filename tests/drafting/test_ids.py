import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting.ids import draft_id, is_id, num_buckets, set_rows, table_width
from easymtl.drafting.profile import read_profile
from easymtl.drafting.table import open_table
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig

RANDOM = np.random.default_rng(0)
ROWS = 4000
SHUFFLED = RANDOM.permutation(100_000)


def column_of(name, values):
    profile = read_profile(open_table(pa.table({name: values}), None, []), [])
    return profile.columns[name], profile.sample[name]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("user_id", RANDOM.integers(0, 50, ROWS), True),
        ("brand", SHUFFLED[RANDOM.zipf(1.3, ROWS) % 3000], True),
        ("thing", SHUFFLED[RANDOM.zipf(1.3, ROWS) % 3000], True),
        ("age", RANDOM.integers(18, 90, ROWS), False),
        ("likes", RANDOM.lognormal(5, 1.5, ROWS).astype(int), False),
        ("thing", np.where(RANDOM.random(ROWS) < 0.5, 0, RANDOM.integers(0, 9000, ROWS)), False),
        ("thing", RANDOM.normal(5000, 500, ROWS).astype(int), False),
        ("item_count", SHUFFLED[RANDOM.integers(0, 3000, ROWS)], False),
        ("thing", RANDOM.integers(-500, 9000, ROWS), False),
        ("thing", RANDOM.random(ROWS), False),
    ],
)
def test_ids_and_amounts(name, values, expected):
    assert is_id(*column_of(name, pa.array(values)))[0] == expected


def test_codes_that_are_texts_stay_codes():
    assert is_id(*column_of("thing", pa.array([str(n) for n in RANDOM.integers(0, 50, ROWS)])))[0]
    assert not is_id(*column_of("thing", pa.array([f"{n:.2f}" for n in RANDOM.random(ROWS)])))[0]


@pytest.mark.parametrize("count", [10, 100, 1000, 5000, 80_000, 300_000, 3_000_000])
def test_few_values_share_a_row(count):
    buckets = num_buckets(count)
    # Values that find their row taken: count less the expected number of rows that are in use.
    taken = count - buckets * (1 - np.exp(-count / buckets))
    assert taken <= count / 4
    # A size that people can read, and no table of a hundred times the values.
    assert len(str(buckets).rstrip("0")) == 1 and buckets <= max(40 * count, 100)


def test_very_many_values_get_a_row_each():
    feature = FeatureConfig(hash_bucket_size=7)
    set_rows(feature, 100_000)
    assert feature.hash_bucket_size == 400_000 and not feature.HasField("growing")
    set_rows(feature, 100_001)
    assert not feature.HasField("hash_bucket_size") and feature.growing.max_rows == 300_000
    assert not feature.growing.HasField("admit_after")


def test_wider_tables_for_more_values():
    assert (table_width(100, 8), table_width(101, 8)) == (8, 16)


@pytest.mark.parametrize(
    ("step", "num_buckets", "kind"), [(1, 1000, "INT32"), (10, 0, "INT32"), (1 << 24, 0, "INT64"), (-1, 0, "INT32")]
)
def test_whole_ids_are_rows_of_a_table_where_they_are_dense(step, num_buckets, kind):
    draft = draft_id(column_of("shop_id", pa.array(np.arange(1000) * step))[0], 8)
    (feature,) = draft.features
    assert feature.num_buckets == num_buckets and bool(feature.hash_bucket_size) == (not num_buckets)
    assert DatasetConfig.FieldType.Name(draft.field.input_type) == kind
    if num_buckets:
        gap = draft_id(column_of("shop_id", pa.array([None, *range(1000)]))[0], 8)
        assert DatasetConfig.FieldType.Name(gap.field.input_type) == "STRING" and "missing" in gap.reason


def test_few_texts_are_a_vocabulary_whose_first_word_takes_the_rest():
    feature = draft_id(column_of("color", pa.array(["red", "blue", "red"] * 50))[0], 8).features[0]
    assert list(feature.vocab_list) == ["<other>", "red", "blue"]
    feature = draft_id(column_of("color", pa.array(["red", "Unknown", "red"] * 50))[0], 8).features[0]
    assert list(feature.vocab_list) == ["Unknown", "red"]


@pytest.mark.parametrize("word", [" blank", "tab\t", "x" * 200])
def test_words_that_a_vocabulary_would_spoil_are_hashed(word):
    feature = draft_id(column_of("color", pa.array(["red", word] * 50))[0], 8).features[0]
    assert feature.hash_bucket_size and not feature.vocab_list


def test_a_missing_id_is_not_the_id_0():
    draft = draft_id(column_of("shop_id", pa.array([1, 2, None, 0] * 50))[0], 8)
    assert not draft.field.HasField("input_type") and draft.features[0].hash_bucket_size
    whole = draft_id(column_of("shop_id", pa.array([1, 2, 3, 0] * 50))[0], 8)
    assert whole.features[0].num_buckets == 4
