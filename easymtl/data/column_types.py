"""The rule of types: what the types of files become as each declared type, in one table.

`python -m easymtl.data.type_table` writes it into docs/guides/data.md.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data import casts, texts
from easymtl.data.casts import NONE, Cast
from easymtl.data.convert import parse_text
from easymtl.data.fields import DICTIONARY, Field
from easymtl.data.lists import encode_items, is_list, join_items
from easymtl.data.text_form import TextForm
from easymtl.data.uuids import is_uuid, text_of_uuids

_WHOLE = (pa.int32(), pa.int64())
_FLOATS = (pa.float32(), pa.float64())
_VIEWS = (pa.string_view(), pa.binary_view())
_NUMBERS = (*_WHOLE, *_FLOATS, pa.bool_())


@dataclass(frozen=True)
class Kind:
    """A kind of file types.

    Attributes:
        name: how messages and the guide call it.
        holds: whether an Arrow type is of this kind.
        to_text: makes the text of a STRING field, or None where there is none.
        text: what the text is, for the guide.
        casts: declared type -> the function that makes it.
        says: declared type -> what it is, for the guide.
    """

    name: str
    holds: Callable[[pa.DataType], bool]
    to_text: Callable[[pa.Array, TextForm], Cast] | None
    text: str
    casts: dict[pa.DataType, Callable[[pa.Array, pa.DataType], Cast]]
    says: dict[pa.DataType, str]


Parts = tuple[dict[pa.DataType, Callable[[pa.Array, pa.DataType], Cast]], dict[pa.DataType, str]]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()


def _is_binary(kind: pa.DataType) -> bool:
    is_plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or kind == pa.binary_view()
    return is_plain or pa.types.is_fixed_size_binary(kind)


def _parse(values: pa.Array, kind: pa.DataType) -> Cast:
    strings, bad = casts.utf8(values)
    numbers, unparsable = parse_text(strings, kind)
    return numbers, np.unique(np.concatenate([bad, unparsable])) if len(bad) else unparsable


def _each(kinds: Iterable[pa.DataType], cast: Callable, says: str) -> Parts:
    """Returns the same function, and what is said of it, for each declared type."""
    kinds = list(kinds)
    return dict.fromkeys(kinds, cast), dict.fromkeys(kinds, says)


def _kind(
    name: str,
    holds: Callable[[pa.DataType], bool],
    to_text: Callable[[pa.Array, TextForm], Cast] | None,
    text: str,
    *parts: Parts,
) -> Kind:
    """Returns a kind from the parts of its table for different declared types."""
    functions, sentences = ({key: one[key] for one in side for key in one} for side in zip(*parts))
    return Kind(name, holds, to_text, text, functions, sentences)


_PARSED: tuple[Parts, ...] = (
    _each(_WHOLE, _parse, "the number it spells"),
    _each(_FLOATS, _parse, "the number it spells"),
    _each([pa.bool_()], _parse, "`true`, `false`, `1`, `0`"),
)

KINDS = (
    _kind("text, UUID", _is_text, texts.text_of_text, "as it is", *_PARSED),
    _kind(
        "bytes",
        _is_binary,
        texts.text_of_text,
        "its UTF-8 text; other bytes are written as hexadecimal text before",
        *_PARSED,
    ),
    _kind(
        "true and false",
        pa.types.is_boolean,
        texts.text_of_bool,
        "`true`, `false`; `1`, `0` where only numbers are read",
        _each((*_WHOLE, *_FLOATS), casts.plain_cast, "1, 0"),
        _each([pa.bool_()], casts.plain_cast, "as it is"),
    ),
    _kind(
        "whole number, signed or not",
        pa.types.is_integer,
        texts.text_of_whole,
        "`17`",
        _each(_WHOLE, casts.whole_to_whole, "within its range"),
        _each(_FLOATS, casts.to_float, "the nearest float"),
        _each([pa.bool_()], casts.to_bool, "1, 0"),
    ),
    _kind(
        "float of 16, 32, 64 bits",
        pa.types.is_floating,
        texts.text_of_float,
        "see below",
        _each(_WHOLE, casts.float_to_whole, "whole, up to 2^11, 2^24, 2^53; NaN does not fit"),
        _each(_FLOATS, casts.to_float, "the nearest float; too large for FLOAT does not fit"),
        _each([pa.bool_()], casts.to_bool, "1, 0"),
    ),
    _kind(
        "decimal",
        pa.types.is_decimal,
        texts.text_of_decimal,
        "all its digits: `12.50`",
        _each(_WHOLE, casts.decimal_to_whole, "whole, within its range"),
        _each(_FLOATS, casts.to_float, "the nearest float"),
        _each([pa.bool_()], casts.to_bool, "1, 0"),
    ),
    _kind(
        "date",
        pa.types.is_date,
        texts.text_of_date,
        "`2026-01-31`",
        _each((*_WHOLE, *_FLOATS), casts.days, "days since 1970-01-01"),
    ),
    _kind(
        "timestamp, any unit and zone",
        pa.types.is_timestamp,
        texts.text_of_timestamp,
        "`2026-01-31T23:59:59`, `.123456` where not a whole second; with a zone in UTC, `Z` at the end",
        _each([pa.int64(), pa.float64()], casts.microseconds, "microseconds since 1970-01-01 UTC"),
    ),
    _kind(
        "time of day",
        pa.types.is_time,
        texts.text_of_time,
        "`23:59:59`, `.123456` where not a whole second",
        _each([pa.int64(), *_FLOATS], casts.microseconds, "microseconds since midnight"),
    ),
    _kind(
        "duration",
        pa.types.is_duration,
        None,
        "",
        _each([pa.int64(), *_FLOATS], casts.microseconds, "microseconds"),
    ),
    _kind(
        "null",
        pa.types.is_null,
        texts.text_of_null,
        "missing",
        _each(_NUMBERS, casts.nulls, "missing"),
    ),
)

BYTES = KINDS[1]

TEXT_KINDS = KINDS[:2]
"""Those that come out of a file as a dictionary and indices."""


def kind_of(found: pa.DataType) -> Kind | None:
    """Returns the kind of a file type, of a dictionary that of its values; None where nothing reads it."""
    found = plain_type(found)
    return next((kind for kind in KINDS if kind.holds(found)), None)


def plain_type(found: pa.DataType) -> pa.DataType:
    """Returns a file type without dictionary and extension; UUIDs are text."""
    if is_uuid(found):
        return pa.string()
    if isinstance(found, pa.BaseExtensionType):
        return plain_type(found.storage_type)
    return plain_type(found.value_type) if pa.types.is_dictionary(found) else found


def unwrapped(values: pa.Array) -> pa.Array:
    """Returns values without extension; UUIDs as text."""
    if pa.types.is_dictionary(values.type) and isinstance(values.type.value_type, pa.BaseExtensionType):
        return unwrapped(values.dictionary_decode())
    if is_uuid(values.type):
        return text_of_uuids(values)
    return unwrapped(values.storage) if isinstance(values.type, pa.BaseExtensionType) else values


def convert(column: pa.Array, field: Field) -> Cast:
    """Returns a column as declared, null where a value does not fit, and the rows of those.

    Args:
        column: `[n]`, of a type for which there is no `type_problem`.
        field: declares what it becomes.
    """
    if column.type == field.as_found:
        return column, NONE
    column = unwrapped(column)
    if field.has_items:
        return encode_items(column, field.form, partial(_texts_of_items, form=field.form))
    if field.type == pa.string():
        return _to_dictionary(column, field.form)
    values = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if values.type == field.type:
        return values, NONE
    kind = kind_of(values.type)
    assert kind is not None, "types are checked when a file is opened"
    return kind.casts[field.type](values, field.type)


def to_texts(values: pa.Array, form: TextForm) -> Cast:
    """Returns the texts `[n]` of values that are no lists, each distinct value once."""
    values = unwrapped(values)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = kind_of(values.type)
    assert kind is not None and kind.to_text is not None, "types are checked when a file is opened"
    if _is_text(values.type) or pa.types.is_null(values.type):
        return kind.to_text(values, form)
    texts, is_bad = distinct_texts(values, form)
    return texts.dictionary.take(texts.indices), np.flatnonzero(is_bad)


def distinct_texts(values: pa.Array, form: TextForm) -> tuple[pa.DictionaryArray, np.ndarray]:
    """Returns the texts of values `[n]` that are no lists, each made once, and which of them have none, bool `[n]`."""
    values = unwrapped(values)
    if values.type in _VIEWS:
        # Arrow makes no dictionaries of views.
        values = values.cast(pa.binary())
    encoded = values if pa.types.is_dictionary(values.type) else casts.wide(values).dictionary_encode()
    kind = kind_of(values.type)
    assert kind is not None and kind.to_text is not None, "types are checked when a file is opened"
    distinct, bad = kind.to_text(encoded.dictionary, form)
    texts = pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), distinct.cast(pa.string()))
    is_bad = np.zeros(len(distinct) + 1, bool)
    is_bad[bad] = True
    if not is_bad.any():
        return texts, np.zeros(len(texts), bool)
    return texts, is_bad[texts.indices.fill_null(len(distinct)).to_numpy()]


def _texts_of_items(items: pa.Array, form: TextForm) -> tuple[pa.DictionaryArray, np.ndarray]:
    """Returns the texts of items of lists, and which have none: a weight of a tag that is NaN has none either."""
    texts, is_bad = distinct_texts(items, form)
    if form.tags and pa.types.is_floating(plain_type(items.type)):
        numbers = items.dictionary_decode() if pa.types.is_dictionary(items.type) else items
        is_bad = is_bad | casts.flags(pc.is_nan(numbers.cast(pa.float64())))
    return texts, is_bad


def _to_dictionary(column: pa.Array, form: TextForm) -> Cast:
    if is_list(column.type):
        joined, bad = join_items(column, form, partial(_texts_of_items, form=form))
        return joined.dictionary_encode().cast(DICTIONARY), bad
    if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
        strings, bad = casts.utf8(column.dictionary)
        if not len(bad):
            return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), strings), NONE
    strings, bad = to_texts(column, form)
    return strings.dictionary_encode().cast(DICTIONARY), bad
