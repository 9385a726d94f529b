import math

import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.protos.data_pb2 import DatasetConfig


def read(array: pa.Array, equals: str | None = None) -> list[float]:
    column = NumberColumn("y", "y") if equals is None else NumberColumn.indicator("y", equals)
    numbers = read_numbers(pa.record_batch({"y": array}), [column])
    assert numbers.dtype == np.float32 and numbers.shape == (len(array), 1)
    return numbers[:, 0].tolist()


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float32(), pa.float64()])
def test_a_missing_number_is_nan(kind):
    assert read(pa.array([1, None, -3], kind)) == pytest.approx([1, math.nan, -3], nan_ok=True)


def test_nan_stays_nan_and_bool_is_one_and_zero():
    assert read(pa.array([math.nan, 0.5])) == pytest.approx([math.nan, 0.5], nan_ok=True)
    assert read(pa.array([True, False, None])) == pytest.approx([1, 0, math.nan], nan_ok=True)


def test_numbers_that_float32_cannot_hold_are_rounded():
    assert read(pa.array([2**24 + 1], pa.int64())) == [2**24]


@pytest.mark.parametrize("is_encoded", [True, False])
def test_numbers_in_text(is_encoded):
    array = pa.array(["1", " 0.5", "", None, "1e2", "1"])
    found = read(array.dictionary_encode() if is_encoded else array)
    assert found == pytest.approx([1, 0.5, math.nan, math.nan, 100, 1], nan_ok=True)


def test_text_that_is_no_number_is_named():
    with pytest.raises(UserError, match='field "y" holds "yes", which is not a number'):
        read(pa.array(["1", "yes"]).dictionary_encode())


@pytest.mark.parametrize(
    ("array", "equals", "expected"),
    [
        (pa.array(["bj", "sh", None, "bj"]).dictionary_encode(), "bj", [1, 0, 0, 1]),
        (pa.array(["bj", "sh", None, "北京"]), "北京", [0, 0, 0, 1]),
        (pa.array([1, 0, None, 10], pa.int32()), "1", [1, 0, 0, 0]),
        (pa.array([1, 2**40], pa.int64()), str(2**40), [0, 1]),
        (pa.array([1.0, math.nan, None, 0.5]), "1", [1, 0, 0, 0]),
        (pa.array([True, False, None]), "true", [1, 0, 0]),
        (pa.array([True, False, None]), "True", [1, 0, 0]),
        (pa.array([True, False, None]), "1", [1, 0, 0]),
        (pa.array([True, False, None]), "0", [0, 1, 0]),
        (pa.array([1, -1], pa.int64()), "+1", [1, 0]),
        (pa.array([1.0, 0.5]), "1.0", [1, 0]),
        (pa.array([1700000050000.0, 1700000050001.0]), "1700000050000", [1, 0]),
        (pa.array([0.1, 0.2], pa.float32()), "0.1", [1, 0]),
        (pa.array(["1.0", "1", " 1"]), "1", [0, 1, 0]),
        (pa.array(["bj", "", None]).dictionary_encode(), "", [0, 1, 1]),
    ],
)
def test_indicators_compare_in_the_type_of_the_field(array, equals, expected):
    assert read(array, equals) == expected


def test_columns_keep_their_order_and_names():
    batch = pa.record_batch({"a": pa.array([1, 2]), "b": pa.array([3, 4])})
    columns = [NumberColumn("b", "b"), NumberColumn.indicator("a", "2"), NumberColumn("a", "a")]
    assert [column.name for column in columns] == ["b", "a==2", "a"]
    assert read_numbers(batch, columns).tolist() == [[3, 0, 1], [4, 1, 2]]


def test_numbers_that_are_known_are_not_read_once_more():
    batch = pa.record_batch({"a": pa.array([1, 2])})
    columns = [NumberColumn("b", "b"), NumberColumn("a", "a")]
    assert read_numbers(batch, columns, {"b": np.array([7, 8], np.float32)}).tolist() == [[7, 1], [8, 2]]


def test_no_rows():
    assert read(pa.array([], pa.string()).dictionary_encode()) == []


LABELS = [("y", 1, ["yes", "true"]), ("y", 0, ["no"]), ("z", 1, ["maybe"])]


def labels_of(texts: list, entries=LABELS) -> list[float]:
    config = DatasetConfig()
    for label, number, names in entries:
        config.label_values.add(label_name=label, number=number, texts=names)
    batch = pa.record_batch({"y": pa.array(texts, pa.string()).dictionary_encode()})
    return read_numbers(batch, [NumberColumn.plain(config, "y")])[:, 0].tolist()


def test_texts_of_a_label_are_numbers_and_empty_ones_missing():
    found = labels_of(["yes", "no", None, "", "true", "yes"])
    assert found == pytest.approx([1, 0, math.nan, math.nan, 1, 1], nan_ok=True)


def test_an_entry_without_texts_is_that_of_all_others():
    entries = [("y", 2, ["good"]), ("y", 1, ["fair", "ok"]), ("y", 0, [])]
    assert labels_of(["good", "ok", "bad", "fair", " good"], entries) == [2, 1, 0, 1, 0]


def test_a_text_of_a_label_that_has_no_number_is_named_with_the_field_to_set():
    with pytest.raises(BadValues, match=r'"maybe", which data_config.label_values gives no number') as error:
        labels_of(["yes", "maybe", "No", "maybe"])
    assert 'label_values { label_name: "y" number: 0 texts: "maybe" }' in str(error.value)
    assert (error.value.first, list(error.value.others)) == ("maybe", ["No"])
