"""Arrow values in another type, with the places of those that do not fit: nothing is rounded, cut or guessed.

Each function takes values `[n]` and returns `[n]` values of the other type, null where one does not fit, and the
places of those. Only numbers that become FLOAT or DOUBLE may lose digits, as numbers of these types do.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Cast = tuple[pa.Array, np.ndarray]
NONE = np.empty(0, np.int64)

WHOLE_LIMITS = {pa.float16(): 1 << 11, pa.float32(): 1 << 24, pa.float64(): 1 << 53}
"""Up to where each float type holds every whole number; a larger one may have been another."""

_DECIMAL_DIGITS = 76
_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}


def blank_out(values: pa.Array, is_bad: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """Returns values with null at the bad places, and these."""
    bad = np.flatnonzero(is_bad)
    return (values, NONE) if not len(bad) else (pc.if_else(pa.array(is_bad), None, values), bad)


def flags(mask: pa.Array) -> np.ndarray:
    """Returns a boolean Arrow array as numpy, null as False."""
    return mask.fill_null(False).to_numpy(zero_copy_only=False)


def one_by_one(values: pa.Array, cast: Callable[[pa.Array], pa.Array]) -> Cast:
    """Returns values as a cast makes them that fails as a whole; those that fail alone are found by halving."""
    bad = np.asarray(_failing(values, cast, 0), np.int64)
    if len(bad):
        keep = np.ones(len(values), bool)
        keep[bad] = False
        values = pc.if_else(pa.array(keep), values, pa.scalar(None, values.type))
    return cast(values), bad


def _failing(values: pa.Array, cast: Callable[[pa.Array], pa.Array], offset: int) -> list[int]:
    try:
        cast(values)
        return []
    except pa.ArrowInvalid:
        if len(values) == 1:
            return [offset]
    middle = len(values) // 2
    return _failing(values[:middle], cast, offset) + _failing(values[middle:], cast, offset + middle)


def doubles(values: pa.Array) -> np.ndarray:
    """Returns float values as float64, NaN where null."""
    return values.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)


def utf8(values: pa.Array) -> Cast:
    """Returns text or bytes as strings; bytes that are no UTF-8 text do not fit."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if is_text or values.type == pa.string_view():
        # Files do not always keep what they promise, and Arrow hands on what is there.
        try:
            values.validate(full=True)
            return values.cast(pa.string()), NONE
        except pa.ArrowInvalid:
            values = values.cast(pa.binary())
    elif values.type != pa.binary():
        values = values.cast(pa.binary())
    return one_by_one(values, lambda part: part.cast(pa.string()))


def whole_to_whole(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns whole numbers in another whole type; those out of its range do not fit."""
    found, wanted = (np.iinfo(one.to_pandas_dtype()) for one in (values.type, kind))
    is_bad = np.zeros(len(values), bool)
    if wanted.min > found.min:
        is_bad |= flags(pc.less(values, pa.scalar(wanted.min, values.type)))
    if wanted.max < found.max:
        is_bad |= flags(pc.greater(values, pa.scalar(wanted.max, values.type)))
    return blank_out(values.cast(kind, safe=False), is_bad)


def float_to_whole(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns floats as whole numbers; fractions, NaN and what is out of range or beyond `WHOLE_LIMITS` do not fit."""
    numbers, wanted = doubles(values), np.iinfo(kind.to_pandas_dtype())
    low = max(float(wanted.min), -float(WHOLE_LIMITS[values.type]))
    high = min(float(wanted.max), float(WHOLE_LIMITS[values.type]))
    fits = (numbers == np.floor(numbers)) & (numbers >= low) & (numbers <= high)
    is_null = flags(values.is_null())
    whole = pa.array(np.where(fits, numbers, 0).astype(np.int64), mask=~fits)
    return whole.cast(kind), np.flatnonzero(~fits & ~is_null)


def to_float(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns numbers as floats of a kind; a finite one that becomes infinite does not fit."""
    cast = wide(values).cast(kind, safe=False)
    if not pa.types.is_floating(values.type) and not pa.types.is_decimal(values.type):
        return cast, NONE
    is_infinite = np.isinf(doubles(cast))
    if is_infinite.any() and pa.types.is_floating(values.type):
        is_infinite &= ~np.isinf(doubles(values))
    return blank_out(cast, is_infinite)


def wide(values: pa.Array) -> pa.Array:
    """Returns decimals as those of 256 bits without negative scale, for which Arrow has all functions."""
    if not pa.types.is_decimal(values.type):
        return values
    return values.cast(pa.decimal256(_DECIMAL_DIGITS, max(values.type.scale, 0)))


def decimal_to_whole(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns decimals as whole numbers; fractions and what is out of range do not fit."""
    return one_by_one(wide(values), lambda part: part.cast(kind))


def to_bool(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns 0 and 1 as false and true; other numbers do not fit."""
    values, is_null = wide(values), flags(values.is_null())
    fits = ~is_null
    if pa.types.is_decimal(values.type):
        fits &= flags(pc.equal(values, pc.floor(values)))
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    fits &= (numbers == 0) | (numbers == 1)
    return pa.array(numbers == 1, mask=~fits), np.flatnonzero(~fits & ~is_null)


def plain_cast(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns values whose type the other one holds whole."""
    return values.cast(kind), NONE


def days(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns dates as days since 1970-01-01."""
    return values.cast(pa.date32()).cast(pa.int32()).cast(kind), NONE


def microseconds(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns times as microseconds (of a timestamp since 1970-01-01 UTC); smaller parts of a second do not fit."""
    unit = values.type.unit
    whole = pa.int32() if pa.types.is_time32(values.type) else pa.int64()
    numbers = values.cast(whole).cast(pa.int64())
    if unit == "ns":
        counts = numbers.fill_null(0).to_numpy()
        micros, is_bad = pa.array(counts // 1000, mask=flags(numbers.is_null())), counts % 1000 != 0
    else:
        factor = _MICROSECONDS[unit]
        limit = np.iinfo(np.int64).max // factor
        counts = numbers.fill_null(0).to_numpy()
        is_bad = (counts > limit) | (counts < -limit)
        micros = pa.array(np.where(is_bad, 0, counts) * factor, mask=flags(numbers.is_null()))
    micros, bad = blank_out(micros, is_bad)
    return micros.cast(kind, safe=False), bad


def nulls(values: pa.Array, kind: pa.DataType) -> Cast:
    """Returns as many nulls."""
    return pa.nulls(len(values), kind), NONE
