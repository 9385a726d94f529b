"""Both readers give back what was written: unicode, quotes, NaN, infinities, long texts, no rows at all."""

import csv
import io
import math

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIELDS = "i:INT64 k:INT32 d:DOUBLE f:FLOAT b:BOOL s t"
NAMES = ["i", "k", "d", "f", "b", "s", "t"]
small = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

integers = st.none() | st.integers(-(2**63), 2**63 - 1)
small_integers = st.none() | st.integers(-(2**31), 2**31 - 1)
doubles = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, 1e39, -1e39])
# The line ends of a csv.writer, and bytes that text files do not hold, are left out.
texts = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
texts |= st.sampled_from(["x" * 70_000, 'say "hi"', "a,b", "two\r\nlines", " blank ", "NaN", "你好", "\ufeff"])
rows = st.lists(
    st.tuples(
        integers, small_integers, st.none() | doubles, st.none() | st.floats(width=32), st.none() | st.booleans(),
        texts, texts,
    ),
    max_size=10,
)  # fmt: skip


def as_text(value):
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def same(found, expected):
    """Whether columns are equal, NaN being equal to NaN."""
    return all(
        left == right or (isinstance(left, float) and isinstance(right, float) and math.isnan(left + right))
        for name in NAMES
        for left, right in zip(found[name], expected[name], strict=True)
    )


def columns_of(found):
    return {name: [row[place] for row in found] for place, name in enumerate(NAMES)}


@small
@given(rows, st.integers(20, 2000))
def test_csv(read, found, block_bytes):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([[as_text(value) for value in row] for row in found])
    values, source = read(text.getvalue().encode(), FIELDS, block_bytes=block_bytes)
    expected = columns_of(found)
    for name in ("s", "t"):
        expected[name] = [value or None for value in expected[name]]
    assert same(values, expected)
    assert source.skipped_rows == 0


@small
@given(rows, st.integers(1, 12), st.integers(1, 5), st.booleans())
def test_parquet(read, tmp_path, found, row_group_size, batch_rows, is_dictionary):
    types = [pa.int64(), pa.int32(), pa.float64(), pa.float32(), pa.bool_(), pa.string(), pa.large_string()]
    expected = columns_of(found)
    table = pa.table({name: pa.array(expected[name], kind) for name, kind in zip(NAMES, types)})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=row_group_size, use_dictionary=is_dictionary)
    values, source = read(None, FIELDS, name="a.parquet", batch_rows=batch_rows)
    assert same(values, expected)
    assert source.num_rows == len(found)
