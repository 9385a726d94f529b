"""What the types of files become: the table of docs/guides/data.md, cell by cell."""

import datetime
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.data.column_types import KINDS, convert, kind_of
from easymtl.data.fields import TYPE_NAMES, Field
from easymtl.data.text_form import TextForm
from easymtl.data.type_problems import type_problem
from easymtl.errors import UserError

TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
NUMBERS = TextForm(is_number=True)
BERLIN = pa.timestamp("us", "Europe/Berlin")


def decimals(*texts, kind=None):
    return pa.array([None if text is None else decimal.Decimal(text) for text in texts], kind)


def moments(kind, *counts):
    return pa.array(counts, pa.int64()).cast(kind)


def converted(array, kind, form=None):
    field = Field("x", TYPES[kind], None, form or TextForm())
    assert not type_problem(array.type, field)
    values, bad = convert(array, field)
    assert values.type == field.column_type
    values.validate(full=True)
    assert not values.take(pa.array(bad)).drop_null().to_pylist(), "what does not fit is null"
    return values.to_pylist(), bad.tolist()


UUIDS = [uuid.UUID(int=(7 << 120) + place) for place in range(3)]
OF_UUIDS = pa.array([UUIDS[0].bytes, None, UUIDS[1].bytes, UUIDS[2].bytes], pa.uuid())
TEXTS_OF_UUIDS = [str(UUIDS[0]), None, str(UUIDS[1]), str(UUIDS[2])]
FITTING = [
    (OF_UUIDS, "STRING", TEXTS_OF_UUIDS),
    (OF_UUIDS[1:3], "STRING", TEXTS_OF_UUIDS[1:3]),
    (OF_UUIDS[:0], "STRING", []),
    (pa.array([1, None, 2**31 - 1], pa.uint32()), "INT32", [1, None, 2**31 - 1]),
    (pa.array([2**64 - 1, 5], pa.uint64()), "STRING", ["18446744073709551615", "5"]),
    (pa.array([2.0, -0.0, None]), "INT32", [2, 0, None]),
    (pa.array([2.0**53, -(2.0**53)]), "INT64", [2**53, -(2**53)]),
    (pa.array([1.0, 0.0, None]), "BOOL", [True, False, None]),
    (pa.array([1.5, np.inf, -np.inf, np.nan]), "FLOAT", [1.5, np.inf, -np.inf, np.nan]),
    (pa.array([1.5, None], pa.float16()), "FLOAT", [1.5, None]),
    (decimals("1.50", None), "DOUBLE", [1.5, None]),
    (decimals("1.50", None, kind=pa.decimal256(60, 2)), "FLOAT", [1.5, None]),
    (decimals("17.00", "-3", None), "INT32", [17, -3, None]),
    (decimals("9223372036854775807.000", kind=pa.decimal256(60, 3)), "INT64", [2**63 - 1]),
    (decimals("1.0", "0.0", None), "BOOL", [True, False, None]),
    (decimals("12.50", "0.00", None), "STRING", ["12.50", "0.00", None]),
    (decimals("0.0000001", "-0.0000012"), "STRING", ["0.0000001", "-0.0000012"]),
    (decimals("12300", kind=pa.decimal128(5, -2)), "STRING", ["12300"]),
    (decimals("1.5", None, kind=pa.decimal32(3, 1)), "STRING", ["1.5", None]),
    (decimals("2.0", None, kind=pa.decimal64(12, 1)), "INT64", [2, None]),
    (decimals(f"{10**50 + 1}.25", kind=pa.decimal256(70, 2)), "STRING", [f"{10**50 + 1}.25"]),
    (pa.array([datetime.date(2026, 1, 31), None]), "STRING", ["2026-01-31", None]),
    (pa.array([datetime.date(1970, 1, 3), datetime.date(1969, 12, 31)]), "INT32", [2, -1]),
    (pa.array([datetime.date(1970, 1, 3), None]).cast(pa.date64()), "INT64", [2, None]),
    (pa.array([datetime.date(1970, 1, 3)]).cast(pa.date64()), "STRING", ["1970-01-03"]),
    (pa.array([datetime.date(1970, 1, 3)]), "FLOAT", [2.0]),
    (moments(pa.timestamp("s"), 1, None), "INT64", [1_000_000, None]),
    (moments(pa.timestamp("ms"), -1), "INT64", [-1000]),
    (moments(pa.timestamp("us"), 1), "INT64", [1]),
    (moments(pa.timestamp("ns"), 5000, None), "INT64", [5, None]),
    (moments(pa.timestamp("us"), 1_700_000_000_123_456), "DOUBLE", [1_700_000_000_123_456.0]),
    (moments(pa.timestamp("ms"), 1_700_000_000_000, None), "STRING", ["2023-11-14T22:13:20", None]),
    (moments(pa.timestamp("us"), 1_700_000_000_120_000), "STRING", ["2023-11-14T22:13:20.120000"]),
    (moments(pa.timestamp("s"), -1), "STRING", ["1969-12-31T23:59:59"]),
    (moments(pa.timestamp("ms"), -1), "STRING", ["1969-12-31T23:59:59.999000"]),
    (moments(BERLIN, 1_700_000_000_000_000), "STRING", ["2023-11-14T22:13:20Z"]),
    (moments(BERLIN, 1_700_000_000_000_000), "INT64", [1_700_000_000_000_000]),
    (pa.array([3723], pa.int32()).cast(pa.time32("s")), "INT64", [3_723_000_000]),
    (pa.array([3723], pa.int32()).cast(pa.time32("s")), "STRING", ["01:02:03"]),
    (moments(pa.time64("us"), 3_723_000_001, None), "STRING", ["01:02:03.000001", None]),
    (moments(pa.duration("ms"), 1500, None), "INT64", [1_500_000, None]),
    (moments(pa.duration("s"), 2), "FLOAT", [2e6]),
    (pa.array([True, None, False]), "STRING", ["true", None, "false"]),
    (pa.array([b"a", None], pa.large_binary()), "STRING", ["a", None]),
    (pa.array([b"abc", None], pa.binary(3)), "STRING", ["abc", None]),
    (pa.array([b"7", b""]), "INT32", [7, None]),
    (pa.array(["7", None], pa.string_view()), "DOUBLE", [7.0, None]),
    (pa.array([1.0, 2.0, None, 1.0]).dictionary_encode(), "STRING", ["1", "2", None, "1"]),
    (decimals("1.5", None, "1.5").dictionary_encode(), "STRING", ["1.5", None, "1.5"]),
    (moments(pa.timestamp("us"), 0, None).dictionary_encode(), "INT64", [0, None]),
    (pa.nulls(2), "BOOL", [None, None]),
    (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}"])), "STRING", ["{}"]),
]


@pytest.mark.parametrize("array, kind, expected", FITTING)
def test_values_that_fit(array, kind, expected):
    values, bad = converted(array, kind)
    assert (values, bad) == (pytest.approx(expected, nan_ok=True) if kind == "FLOAT" else expected, [])


UNFITTING = [
    (pa.array([1, 2**31, None, -(2**31) - 1]), "INT32", [1, 3]),
    (pa.array([2**63, 1], pa.uint64()), "INT64", [0]),
    (pa.array([2**31], pa.uint32()), "INT32", [0]),
    (pa.array([1.0, 2.5, np.nan, None, np.inf, 2.0**31]), "INT32", [1, 2, 4, 5]),
    (pa.array([2.0**53 + 2, 2.0**53]), "INT64", [0]),
    (pa.array([2.0**24 + 2, 5], pa.float32()), "INT64", [0]),
    (pa.array([2, 1, 0, -1]), "BOOL", [0, 3]),
    (pa.array([0.5, np.nan, 1.0]), "BOOL", [0, 1]),
    (pa.array([1.0, 1e39, -1e39, np.inf]), "FLOAT", [1, 2]),
    (decimals("1.5", "2.0", f"{2**31}.0"), "INT32", [0, 2]),
    (decimals(f"{2**63}"), "INT64", [0]),
    (decimals("2", "1"), "BOOL", [0]),
    (moments(pa.timestamp("ns"), 1000, 1001), "INT64", [1]),
    (moments(pa.timestamp("ns"), 1000, 1001), "STRING", [1]),
    (moments(pa.timestamp("s"), 2**62, 1), "INT64", [0]),
    (pa.array([b"\xff", b"a", None]), "STRING", [0]),
    (pa.array([b"\xff", b"1", b"x"]), "INT32", [0, 2]),
    (pa.array(["1", "1.5", "2147483648"]), "INT32", [1, 2]),
]


@pytest.mark.parametrize("array, kind, bad", UNFITTING)
def test_values_that_do_not_fit(array, kind, bad):
    assert converted(array, kind)[1] == bad
    # A slice has offsets of its own.
    assert converted(array.slice(1), kind)[1] == [row - 1 for row in bad if row]


@pytest.mark.parametrize(
    "values, kind, texts, bad",
    [
        ([17.0, 1e15, 2.0**53, -(2.0**53)], pa.float64(), ["17", "1" + 15 * "0", str(2**53), str(-(2**53))], []),
        ([np.nan, None, -0.0, -3.0], pa.float64(), [None, None, "0", "-3"], []),
        ([0.5, 2.0**53 + 2, np.inf, -np.inf, 1e300], pa.float64(), [None] * 5, [0, 1, 2, 3, 4]),
        ([2.0**24, 2.0**24 + 2], pa.float32(), [str(2**24), None], [1]),
        ([1.0, 1.0, 0.5, None, 2.0, 0.5], pa.float64(), ["1", "1", None, None, "2", None], [2, 5]),
        ([2048.0, 2050.0, 1.5, np.nan], pa.float16(), ["2048", None, None, None], [1, 2]),
    ],
)
def test_floats_as_the_text_of_ids(values, kind, texts, bad):
    assert converted(pa.array(values, kind), "STRING") == (texts, bad)


def test_precision_writes_all_numbers_as_a_graph_would():
    """`precision` of a feature over a field that is declared DOUBLE makes the same texts, in the exported graph."""
    numbers = [1.005, 2.0, 0.125, -3.14159, 1e6, None, -0.0, -0.004, -0.006]
    values, bad = converted(pa.array(numbers), "STRING", TextForm(precisions=(2,)))
    assert (values, bad) == (["1.00", "2.00", "0.12", "-3.14", "1000000.00", None, "0.00", "0.00", "-0.01"], [])
    assert converted(pa.array([np.inf, 2.0**54, np.nan, -0.0]), "STRING", TextForm(precisions=(0,))) == (
        [None, None, None, "0"],
        [0, 1],
    )


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_what_reads_numbers_gets_a_text_of_the_same_number(kind):
    numbers = np.random.default_rng(3).normal(0, 10.0 ** np.arange(-4, 4).repeat(50)).astype(kind.to_pandas_dtype())
    values, bad = converted(pa.array(numbers, kind), "STRING", NUMBERS)
    assert not bad
    assert [kind.to_pandas_dtype()(text) for text in values] == numbers.tolist()
    assert converted(pa.array([3.0, 1e20, np.nan, np.inf]), "STRING", NUMBERS) == (["3", "1e+20", None, None], [3])


def test_truth_is_1_and_0_where_only_numbers_are_read():
    assert converted(pa.array([True, False, None]), "STRING", NUMBERS)[0] == ["1", "0", None]


def test_a_column_that_is_only_handed_on_may_hold_fractions():
    assert converted(pa.array([0.5, 3.0]), "STRING", TextForm(is_read=False)) == (["0.5", "3"], [])


@pytest.mark.parametrize("array", [one[0] for one in FITTING])
def test_each_cell_of_the_table_works(array):
    """A type that is refused says which declared types read it, and those do."""
    for kind, declared in TYPES.items():
        field = Field("x", declared, None)
        problem = type_problem(array.type, field)
        if problem:
            assert f"declared {kind}, which it cannot become. Set its input_type" in problem
            assert any(f"{name} (" in problem for name in TYPES)
            assert f"{kind} (" not in problem
        else:
            values, _ = convert(array, field)
            assert len(values) == len(array) and values.type == field.column_type


@pytest.mark.parametrize(
    "array, kind, sentence",
    [
        (
            moments(pa.timestamp("us"), 1),
            "FLOAT",
            r"Set its input_type .* to INT64 \(microseconds .*, DOUBLE .* or STR",
        ),
        (pa.array([datetime.date(2026, 1, 1)]), "BOOL", "to INT32 .days since"),
        (moments(pa.duration("s"), 1), "STRING", "to INT64 .microseconds., FLOAT .* or DOUBLE"),
        (pa.array([{"a": 1}]), "STRING", "no input_type reads that. Write each of its fields as a column"),
        (
            pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            "STRING",
            "no input_type reads that. Write its keys as one list",
        ),
        (pa.array([[["a"]]]), "STRING", "no input_type reads that. Write one list"),
        (pa.array([[{"a": ["b"]}]]), "STRING", "no input_type reads that. Write one list"),
        (pa.array([["a"]]), "STRING", "no feature reads it as one"),
    ],
)
def test_types_that_cannot_be_read_say_what_to_write_instead(tmp_path, read, array, kind, sentence):
    pq.write_table(pa.table({"x": array}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=rf'a\.parquet: column "x" is .* in the file and declared {kind}.*{sentence}'):
        read(None, f"x:{kind}", name="a.parquet")


@pytest.mark.parametrize(
    "array, kind, sentence",
    [
        (pa.array([1, 2**31]), "INT32", f"holds {2**31}, which is no INT32 .a whole number from -2147483648"),
        (pa.array([1.0, 2.5]), "INT32", "holds 2.5, which is no INT32"),
        (pa.array([1.0, np.nan]), "INT32", "holds nan, which is no INT32"),
        (pa.array([1, 2]), "BOOL", "holds 2, which is no BOOL .true, false, 1 or 0"),
        (pa.array([1.0, 1e39]), "FLOAT", r"holds 1e\+39, which is no FLOAT"),
        (
            pa.array([b"a", b"\xff"]),
            "STRING",
            r"holds b'\\xff', binary that is no UTF-8 text. Write the column as hexadecimal",
        ),
        (pa.array([None, UUIDS[1].bytes], pa.uuid()), "INT64", rf'holds "{UUIDS[1]}", which is no INT64'),
        (
            pa.array([1.0, 1.5]),
            "STRING",
            "holds 1.5, which is no whole.* Set precision.* declare the field as DOUBLE",
        ),
        (pa.array([1.0, 2.0**60]), "STRING", "holds 1.152921504606847e.18, which is beyond 9007199254740992, up to"),
        (pa.array([1.0, np.inf]), "STRING", "holds inf, which has no text"),
        (moments(pa.timestamp("ns"), 0, 1), "INT64", "holds .*, which is no whole number of microseconds"),
    ],
)
def test_a_value_that_does_not_fit_is_named_or_left_out(tmp_path, read, array, kind, sentence):
    table = pa.table({"x": array, "y": ["one", "two"]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    with pytest.raises(UserError, match=rf'a\.parquet: row 2 \(row group 1\): column "x" {sentence}.*ignore_error'):
        read(None, f"x:{kind} y", name="a.parquet")
    values, source = read(None, f"x:{kind} y", name="a.parquet", ignore_error="true")
    assert values["y"] == ["one"]
    assert source.skipped_rows == 1
    assert "row 2" in source.skipped.examples[0]


@pytest.mark.parametrize("has_schema", [True, False])
def test_uuids_come_as_text_whoever_has_written_them(tmp_path, read, has_schema):
    pq.write_table(pa.table({"x": OF_UUIDS}), tmp_path / "a.parquet", store_schema=has_schema)
    assert read(None, "x", name="a.parquet")[0] == {"x": TEXTS_OF_UUIDS}


def test_uuids_are_items_of_lists_too():
    lists = pa.ListArray.from_arrays(pa.array([0, 2, None, 2, 3], pa.int32()), OF_UUIDS.take(pa.array([0, 2, 3])))
    texts, _ = converted(lists, "STRING", TextForm(separators=("|",)))
    assert texts == [f"{UUIDS[0]}|{UUIDS[1]}", None, None, str(UUIDS[2])]


def test_text_that_its_file_calls_utf8_and_that_is_none(tmp_path, read):
    texts = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"]).buffers())
    pq.write_table(pa.table({"x": texts}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"row 2 .* holds b'\\xff', which is no STRING"):
        read(None, "x", name="a.parquet")
    assert read(None, "x", name="a.parquet", ignore_error="true")[0] == {"x": ["a"]}


def test_features_that_differ_in_precision_are_told(tmp_path):
    field = Field("x", pa.string(), None, TextForm(precisions=(1, 2)))
    assert "differ in precision (1 and 2)" in type_problem(pa.float32(), field)
    assert not type_problem(pa.int64(), field)


def test_every_kind_of_the_table_is_tried():
    assert {kind_of(array.type).name for array, _, _ in FITTING} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("kind, number", [("FLOAT", "1e39"), ("FLOAT", "-3.5e38"), ("DOUBLE", "1e400")])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_text_of_a_number_that_is_too_large_is_named_or_left_out(tmp_path, read, form, kind, number):
    """As a number of that size in a file is, and not infinity; what says so is infinity."""
    texts = ["1.5", "inf", "-Infinity", number]
    if form == "csv":
        (tmp_path / "a.csv").write_text("".join(f"{text}\n" for text in texts))
    else:
        pq.write_table(pa.table({"x": texts}), tmp_path / "a.parquet")
    place = "row 4 .*" if form == "parquet" else "4"
    with pytest.raises(UserError, match=rf'a\.{form}: ?{place}: column "x" holds "{number}", which is no {kind}'):
        read(None, f"x:{kind}", name=f"a.{form}")
    values, source = read(None, f"x:{kind}", name=f"a.{form}", ignore_error="true")
    assert (values["x"], source.skipped_rows) == ([1.5, np.inf, -np.inf], 1)
