import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.features.columns import _varints, read_column, text_tensor

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=300), st.sampled_from(["", "a", "\x00", "é" * 70])), max_size=30)


def texts_of(column):
    values = column.values.numpy()
    return (values if column.indices is None else values[column.indices]).tolist()


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(0, 5), st.sampled_from([pa.string(), pa.large_string()]))
def test_text_arrives_byte_for_byte(texts, start, kind):
    array = pa.array(texts, kind).slice(start)
    expected = [(text or "").encode() for text in texts[start:]]
    assert text_tensor(array).numpy().tolist() == expected


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(0, 5), st.booleans())
def test_rows_are_their_distinct_values(texts, start, is_encoded):
    array = pa.array(texts, pa.string())
    column = read_column((array.dictionary_encode() if is_encoded else array).slice(start))
    expected = [(text or "").encode() for text in texts[start:]]
    assert texts_of(column) == expected


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("values", [[1, None, 3], [5, 5, 5, None, None, 5, 5, 5], []])
def test_numbers_with_null_as_zero(kind, values):
    column = read_column(pa.array(values, kind))
    found = column.values.numpy() if column.indices is None else column.values.numpy()[column.indices]
    assert found.tolist() == [value or 0 for value in values]
    assert column.num_nulls == values.count(None)


def test_repeating_integers_are_held_once():
    column = read_column(pa.array([7, 8] * 100))
    assert column.values.numpy().tolist() == [7, 8]


def test_null_text_is_not_a_null_number():
    for kind in (pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string()), pa.string()):
        column = read_column(pa.array(["a", None, "a"], kind))
        assert column.num_nulls == 0
        assert texts_of(column) == [b"a", b"", b"a"]


def test_a_dictionary_of_all_rows_is_taken_as_they_are():
    texts = pa.array(["a", None, "a", "b"])
    column = read_column(pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3]), texts))
    assert column.indices is None
    assert column.values.numpy().tolist() == [b"a", b"", b"a", b"b"]
    assert read_column(pa.DictionaryArray.from_arrays(pa.array([0, 1, 3, 2]), texts)).indices is not None
    assert read_column(pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), texts)).indices is not None


def test_what_lies_below_a_null_is_no_text():
    # Arrow leaves open what the bytes of a null are; readers and filters leave those of other values.
    offsets, validity = pa.py_buffer(np.array([0, 2, 5, 6], np.int32).tobytes()), pa.py_buffer(b"\x05")
    array = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"abXYZc"), validity)
    assert array.to_pylist() == ["ab", None, "c"]
    assert text_tensor(array).numpy().tolist() == [b"ab", b"", b"c"]


@pytest.mark.parametrize("values", [[0.5, 1.5] * 100, [True, False] * 100])
def test_only_whole_numbers_are_looked_through_for_repeats(values):
    assert read_column(pa.array(values)).indices is None


def test_whole_numbers_that_hardly_repeat_are_taken_as_they_are():
    assert read_column(pa.array(range(200))).indices is None
    # A sample of the first rows tells it: what comes later is not looked at.
    assert read_column(pa.array([7] * 4096 + list(range(9000)))).indices is not None
    assert read_column(pa.array([*range(4096), *[7] * 9000])).indices is None


def test_a_slice_brings_no_more_of_a_large_dictionary_than_it_uses():
    array = pa.array([f"v{number}" for number in range(100)]).dictionary_encode()
    column = read_column(array.slice(40, 3))
    assert column.values.numpy().tolist() == [b"v40", b"v41", b"v42"]
    assert column.indices.tolist() == [0, 1, 2]
    assert read_column(array.slice(0, 50)).values.shape == [100]
    assert read_column(array.slice(0, 49)).values.shape == [49]


def test_whole_numbers_that_come_more_than_twice_on_average_are_held_once():
    twice = list(range(100)) * 2
    assert read_column(pa.array(twice)).indices is None
    assert read_column(pa.array([*twice, 1])).indices is not None


def test_a_boolean_without_value_is_false():
    column = read_column(pa.array([True, None, False]))
    assert column.values.numpy().tolist() == [True, False, False]
    assert column.num_nulls == 1


def test_lengths_are_varints():
    numbers = [0, 1, 127, 128, 0, 300, 16_383, 16_384, 2**21, 2**28, 2**31 - 1]
    expected = bytearray()
    for number in numbers:
        while number > 127:
            expected.append(number % 128 + 128)
            number //= 128
        expected.append(number)
    for dtype in (np.int32, np.int64):
        assert _varints(np.array(numbers, dtype)) == expected
        assert _varints(np.array([0, 5, 127], dtype)) == b"\x00\x05\x7f"
        assert _varints(np.array([], dtype)) == b""
