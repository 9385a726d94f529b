import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.features.columns import read_column, text_tensor

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=300), st.sampled_from(["", "a", "\x00", "é" * 70])), max_size=30)


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
    assert column.values.numpy()[column.indices].tolist() == expected
    assert column.counts().sum() == column.num_rows == len(expected)


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
    assert column.counts().tolist() == [100, 100]


def test_null_text_is_not_a_null_number():
    for kind in (pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.large_string()), pa.string()):
        column = read_column(pa.array(["a", None, "a"], kind))
        assert column.num_nulls == 0
        assert column.values.numpy()[column.indices].tolist() == [b"a", b"", b"a"]
