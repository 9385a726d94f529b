"""Keys of sessions: equal for equal values, whatever their type and however a block stores them."""

import numpy as np
import pyarrow as pa
import pytest

from easymtl.features.keys import MISSING, read_keys


def keys_of(array: pa.Array) -> np.ndarray:
    return read_keys(pa.RecordBatch.from_arrays([array], ["session"]), ["session"])[:, 0]


def test_texts_have_the_same_key_in_every_block():
    plain = pa.array(["a", "b", "", None, "你好", "a"])
    keys = keys_of(plain)
    np.testing.assert_array_equal(keys_of(plain.dictionary_encode()), keys)
    np.testing.assert_array_equal(keys_of(plain[4:]), keys[4:])
    for kind in (pa.large_string(), pa.dictionary(pa.int8(), pa.large_string())):
        np.testing.assert_array_equal(keys_of(plain.cast(kind)), keys)
    assert len(set(keys.tolist())) == 4
    assert keys[0] == keys[5]
    assert keys[2] == keys[3] == MISSING


@pytest.mark.parametrize("dtype", [pa.int32(), pa.int64()])
def test_whole_numbers_are_their_own_keys(dtype):
    np.testing.assert_array_equal(keys_of(pa.array([5, -1, None], dtype)), [5, -1, MISSING])


def test_floats_are_compared_as_numbers():
    keys = keys_of(pa.array([0.0, -0.0, 1.5, 1.5, float("nan"), None], pa.float64()))
    assert keys[0] == keys[1] != keys[2] == keys[3]
    np.testing.assert_array_equal(keys[4:], MISSING)


def test_the_largest_number_which_data_use_for_something_special_is_not_the_missing_one():
    largest = 2**63 - 1
    assert keys_of(pa.array([largest, None])).tolist() == [largest, MISSING]
    assert largest != MISSING


@pytest.mark.parametrize("dtype", [pa.float32(), pa.float64()])
def test_small_numbers_are_told_apart(dtype):
    assert len(set(keys_of(pa.array([1e-30, 2e-30, -1e-30, 0.0], dtype)).tolist())) == 4


def test_booleans():
    np.testing.assert_array_equal(keys_of(pa.array([True, False, None])), [1, 0, MISSING])


def test_one_column_for_each_field_and_no_row_is_fine():
    batch = pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x", "y"], "c": [1, 1]})
    keys = read_keys(batch, ["c", "b", "a"])
    assert keys.shape == (2, 3)
    assert keys[:, [0, 2]].tolist() == [[1, 1], [1, 2]]
    np.testing.assert_array_equal(keys[:, 1], keys_of(pa.array(["x", "y"])))
    assert read_keys(batch.slice(0, 0), ["b", "a"]).shape == (0, 2)
