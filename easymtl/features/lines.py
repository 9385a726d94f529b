"""Rows of a request that are lines: the fields of each, in one text, with a separator between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import tensorflow as tf

from easymtl.data.convert import ALLOWED, default_scalar
from easymtl.data.fields import Field
from easymtl.features.columns import missing_value

INPUT = "features"
"""The name of the input, which is that of EasyRec."""

_FIRST = " (the first is 0)"
_INTEGER = "-?[0-9]+"
_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)|(?i:nan)"
_LARGEST = float(1 << 63)


@dataclass(frozen=True)
class _Type:
    """How texts of a type are read.

    Attributes:
        pattern: what they look like, without blanks around them.
        read: returns the values of texts that look so.
        is_right: returns which of the values of these texts are in the range of the type.
    """

    pattern: str
    read: Callable[[tf.Tensor], tf.Tensor]
    is_right: Callable[[tf.Tensor], tf.Tensor]


def columns_of(lines: tf.Tensor, fields: Sequence[Field], separator: str) -> dict[str, tf.Tensor]:
    """Returns the columns `[rows]` of lines `[rows]`, by field.

    Each separator ends a field: quotes are text like any other. An empty field is a missing value: `default_val`, or
    else '', 0 or false. A line with another number of fields, or one that is no value of its type, fails the graph,
    which tells the row.
    """
    num_rows = tf.size(lines)
    parts = tf.raw_ops.StringSplitV2(input=lines, sep=separator)
    rows = parts.indices[:, 0]
    counts = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, num_rows)
    is_wrong = tf.not_equal(counts, len(fields))
    names = ", ".join(field.name for field in fields)

    def problem() -> tf.Tensor:
        row = tf.where(is_wrong)[0, 0]
        told = [
            f"input {INPUT}: row ", tf.strings.as_string(row), f"{_FIRST} has ", tf.strings.as_string(counts[row]),
            f" fields, separated by {separator!r}, where {len(fields)} are read: {names}.",
        ]  # fmt: skip
        return tf.strings.join(told)

    values = _unless(tf.reduce_any(is_wrong), problem, parts.values)
    return _typed(tf.reshape(values, [num_rows, len(fields)]), fields)


def _typed(table: tf.Tensor, fields: Sequence[Field]) -> dict[str, tf.Tensor]:
    """Returns the columns of a table of texts `[rows, fields]`; those of one type are read together."""
    by_type: dict[pa.DataType, list[int]] = {}
    for place, field in enumerate(fields):
        by_type.setdefault(field.type, []).append(place)
    columns: dict[str, tf.Tensor] = {}
    for kind, places in by_type.items():
        own = [fields[place] for place in places]
        texts = tf.gather(table, places, axis=1)
        read = texts if kind == pa.string() else _values(texts, own, kind)
        columns |= dict(zip((field.name for field in own), tf.unstack(read, axis=1)))
    return {field.name: columns[field.name] for field in fields}


def _values(texts: tf.Tensor, fields: Sequence[Field], kind: pa.DataType) -> tf.Tensor:
    """Returns the values of fields of one type, `[rows, fields]`."""
    one = _TYPES[kind]
    missing = [str(missing_value(kind, default_scalar(field)).as_py()) for field in fields]
    trimmed = tf.strings.regex_replace(texts, "^[ \t]+|[ \t]+$", "")
    filled = tf.where(tf.equal(texts, ""), tf.constant(missing), trimmed)
    is_value = tf.strings.regex_full_match(filled, one.pattern)
    # What does not look like a value is not read, as that would fail without the name of the field.
    looks_right = tf.where(is_value, filled, "0")
    is_wrong = ~is_value | ~one.is_right(looks_right)

    def problem() -> tf.Tensor:
        place = tf.where(is_wrong)[0]
        told = [
            f"input {INPUT}: row ", tf.strings.as_string(place[0]), f"{_FIRST} has '", tf.gather_nd(texts, place),
            "' in the field ", tf.gather([field.name for field in fields], place[1]),
            f", which takes {ALLOWED[kind]}.",
        ]  # fmt: skip
        return tf.strings.join(told)

    return one.read(_unless(tf.reduce_any(is_wrong), problem, looks_right))


def _unless(is_wrong: tf.Tensor, problem: Callable[[], tf.Tensor], values: tf.Tensor) -> tf.Tensor:
    """Returns values that cannot be computed with if something is wrong."""
    checked = tf.cond(is_wrong, lambda: tf.debugging.Assert(False, [problem()]), tf.no_op)
    with tf.control_dependencies([checked]):
        return tf.identity(values)


def _number(dtype: tf.DType) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda texts: tf.strings.to_number(texts, dtype)


def _fits(low: float, high: float) -> Callable[[tf.Tensor], tf.Tensor]:
    def is_right(texts: tf.Tensor) -> tf.Tensor:
        numbers = tf.strings.to_number(texts, tf.float64)
        return tf.greater_equal(numbers, low) & tf.less_equal(numbers, high)

    return is_right


def _fits_float(texts: tf.Tensor) -> tf.Tensor:
    is_infinite = tf.math.is_inf(tf.cast(tf.strings.to_number(texts, tf.float64), tf.float32))
    return ~is_infinite | tf.strings.regex_full_match(texts, ".*(?i:inf).*")


_TYPES = {
    pa.int32(): _Type(_INTEGER, _number(tf.int32), _fits(-(1 << 31), (1 << 31) - 1)),
    pa.int64(): _Type(_INTEGER, _number(tf.int64), _fits(-_LARGEST, _LARGEST)),
    pa.float32(): _Type(_DECIMAL, _number(tf.float32), _fits_float),
    pa.float64(): _Type(_DECIMAL, _number(tf.float64), lambda texts: tf.ones_like(texts, tf.bool)),
    pa.bool_(): _Type(
        "(?i:true|false|1|0)",
        lambda texts: tf.strings.regex_full_match(texts, "(?i:true|1)"),
        lambda texts: tf.ones_like(texts, tf.bool),
    ),
}
