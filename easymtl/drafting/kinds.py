"""What a column can be to a draft, by its Arrow type, and a batch of it in the few types that are counted."""

import enum
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.column_types import plain_type
from easymtl.data.uuids import is_uuid, text_of_uuids

_LARGEST = (1 << 63) - 1


class Kind(enum.Enum):
    """What the values of a column are."""

    WHOLE = "whole numbers"
    DECIMAL = "decimal numbers"
    BOOL = "true and false"
    TEXT = "texts"
    TIME = "timestamps"
    DATE = "dates"
    LIST = "lists"
    LISTS = "lists of lists"
    NESTED = "structs or maps"
    BINARY = "bytes that are no text"
    NULL = "nothing"


Holds = Callable[[pa.DataType], bool]
_IS_LIST: tuple[Holds, ...] = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_BINARY: tuple[Holds, ...] = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)
_KINDS: tuple[tuple[Holds, Kind], ...] = (
    (pa.types.is_boolean, Kind.BOOL),
    (pa.types.is_integer, Kind.WHOLE),
    (pa.types.is_floating, Kind.DECIMAL),
    (pa.types.is_string, Kind.TEXT),
    (pa.types.is_large_string, Kind.TEXT),
    (pa.types.is_string_view, Kind.TEXT),
    (pa.types.is_timestamp, Kind.TIME),
    (pa.types.is_date, Kind.DATE),
    # Microseconds since midnight, or of length.
    (pa.types.is_time, Kind.WHOLE),
    (pa.types.is_duration, Kind.WHOLE),
    (pa.types.is_null, Kind.NULL),
)


def kind_of_type(found: pa.DataType) -> Kind:
    """Returns what a column of an Arrow type holds; bytes are texts until one is none."""
    found = plain_type(found)
    if any(holds(found) for holds in _IS_LIST):
        inner = kind_of_type(found.value_type)
        if pa.types.is_duration(plain_type(found.value_type)):
            # Durations have no text, and lists are read as texts.
            return Kind.NESTED
        if inner in (Kind.LIST, Kind.LISTS):
            return Kind.NESTED if inner is Kind.LISTS else Kind.LISTS
        return Kind.NESTED if inner in (Kind.NESTED, Kind.BINARY) else Kind.LIST
    if any(holds(found) for holds in _BINARY):
        return Kind.TEXT
    if pa.types.is_decimal(found):
        return Kind.WHOLE if found.scale == 0 and found.precision <= 18 else Kind.DECIMAL
    return next((kind for holds, kind in _KINDS if holds(found)), Kind.NESTED)


def plain(values: pa.Array) -> pa.Array:
    """Returns a batch `[n]` as int64, float64, bool, string, or list of one of them; null where a value is missing.

    Empty texts and NaN are missing. Times are microseconds, dates days. Bytes that are no UTF-8, and what is nested,
    come as nulls of type null.
    """
    values = _unwrapped(values)
    kind = kind_of_type(values.type)
    if kind is Kind.LIST:
        lists = _as_list(values)
        return pa.ListArray.from_arrays(lists.offsets, plain(lists.values), mask=lists.is_null())
    if kind is Kind.LISTS:
        # Each step is a text: which items it has does not matter to a draft but for their number.
        outer = _as_list(values)
        inner = _as_list(_unwrapped(outer.values))
        steps = plain(inner.values)
        joined = pa.ListArray.from_arrays(inner.offsets, steps)
        return pa.ListArray.from_arrays(outer.offsets, joined, mask=outer.is_null())
    if kind in (Kind.NESTED, Kind.BINARY, Kind.NULL):
        return pa.nulls(len(values))
    return _of_kind(values, kind)


def _unwrapped(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if is_uuid(values.type):
        return text_of_uuids(values)
    if isinstance(values.type, pa.BaseExtensionType):
        return _unwrapped(values.storage)
    return _unwrapped(values.dictionary_decode()) if pa.types.is_dictionary(values.type) else values


def _as_list(values: pa.Array) -> pa.ListArray:
    """Returns lists of any layout as plain ones, their items without those behind nulls."""
    inner = values.type.value_type
    # A slice keeps the items of its array: they are taken anew.
    flat = pc.list_flatten(values)
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, flat.cast(inner), mask=values.is_null())


def _of_kind(values: pa.Array, kind: Kind) -> pa.Array:
    if kind is Kind.TEXT:
        try:
            texts = values.cast(pa.string())
        except pa.ArrowInvalid:
            return pa.nulls(len(values))
        return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    if kind is Kind.DECIMAL:
        numbers = values.cast(pa.float32()) if values.type == pa.float16() else values
        numbers = numbers.cast(pa.float64(), safe=False)
        return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if kind is Kind.WHOLE:
        return _whole(values)
    if kind is Kind.TIME:
        return values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
    if kind is Kind.DATE:
        return values.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    return values


def _whole(values: pa.Array) -> pa.Array:
    if pa.types.is_time(values.type):
        return values.cast(pa.time64("us"), safe=False).cast(pa.int64())
    if pa.types.is_duration(values.type):
        return values.cast(pa.duration("us"), safe=False).cast(pa.int64())
    if values.type == pa.uint64() and (pc.max(values).as_py() or 0) > _LARGEST:
        # Beyond int64: they can only be ids, which are told apart here all the same.
        return pa.array(values.cast(pa.string()))
    return values.cast(pa.int64())
