"""What a column is by its type, and its values in the few types that are counted."""

import datetime
import decimal

import pyarrow as pa
import pytest

from easymtl.drafting.kinds import Kind, kind_of_type, plain

MOMENT = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone.utc)
SECONDS = int(MOMENT.timestamp())
NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1.5, None, NAN]), Kind.DECIMAL, [1.5, None, None]),
        (pa.array(["a", None, ""]), Kind.TEXT, ["a", None, None]),
        (pa.array(["a", None, "a"]).dictionary_encode(), Kind.TEXT, ["a", None, "a"]),
        (pa.array([b"a", b"", None]), Kind.TEXT, ["a", None, None]),
        (pa.array([b"\xff"]), Kind.TEXT, [None]),
        (pa.array([SECONDS, None], pa.timestamp("s", "Asia/Tokyo")), Kind.TIME, [SECONDS * 1_000_000, None]),
        (pa.array([datetime.date(1970, 1, 3)], pa.date64()), Kind.DATE, [2]),
        (pa.array([90], pa.time32("s")), Kind.WHOLE, [90_000_000]),
        (pa.array([90], pa.duration("ms")), Kind.WHOLE, [90_000]),
        (pa.array([decimal.Decimal("1.25"), None]), Kind.DECIMAL, [1.25, None]),
        (pa.array([decimal.Decimal(7)], pa.decimal128(5, 0)), Kind.WHOLE, [7]),
        (pa.array([1 << 63], pa.uint64()), Kind.WHOLE, [str(1 << 63)]),
        (pa.array([["a", None, ""], None, []]), Kind.LIST, [["a", None, None], None, []]),
        (pa.array([[1.0, NAN], None], pa.large_list(pa.float64())), Kind.LIST, [[1.0, None], None]),
        (pa.array([["a", "b"], None], pa.list_(pa.string(), 2)), Kind.LIST, [["a", "b"], None]),
        (pa.array([[[1, 2], []], None, []]), Kind.LISTS, [[[1, 2], []], None, []]),
        (pa.array([{"a": 1}, None]), Kind.NESTED, [None, None]),
        (pa.array([[[[1]]]]), Kind.NESTED, [None]),
    ],
    ids=str,
)
def test_values_are_plain(values, kind, expected):
    assert kind_of_type(values.type) is kind
    assert plain(values).to_pylist() == expected
    # A slice begins in the middle of buffers.
    doubled = pa.concat_arrays([values, values])
    assert plain(doubled.slice(len(values))).to_pylist() == expected
