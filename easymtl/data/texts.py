"""Arrow values as text: what a client would write into a request, the same for every type that holds the value.

As in `casts`, each function returns texts `[n]`, null where there is none, and the places of values without a text.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.casts import NONE, WHOLE_LIMITS, Cast, blank_out, doubles, flags, microseconds, utf8, wide
from easymtl.data.text_form import TextForm


def text_of_text(values: pa.Array, form: TextForm) -> Cast:
    """Returns text as it is."""
    return utf8(values)


def text_of_bool(values: pa.Array, form: TextForm) -> Cast:
    """Returns `true` and `false`, or `1` and `0` for readers that take numbers alone."""
    yes, no = ("1", "0") if form.is_number else ("true", "false")
    return pc.if_else(values, yes, no), NONE


def text_of_whole(values: pa.Array, form: TextForm) -> Cast:
    """Returns whole numbers in decimal."""
    return values.cast(pa.string()), NONE


def text_of_float(values: pa.Array, form: TextForm) -> Cast:
    """Returns floats as the numbers that they stand for.

    NaN is missing. With `precision` all have so many digits behind the point, as the text that a graph makes of a
    FLOAT or DOUBLE input. Else whole numbers are written as whole numbers, up to where each of them has a float of
    its own; a larger one may have been another. How a fraction is written is said by `precision` alone, but for
    readers that take numbers: they get the shortest text that reads as the same float. Infinity has no text.
    """
    numbers = doubles(values) + 0.0  # -0.0 is 0.
    is_missing = np.isnan(numbers)
    is_small = np.abs(numbers) <= WHOLE_LIMITS[values.type]
    if form.precision is not None and not form.is_number:
        digits = f".{form.precision}f"
        texts = pa.array(
            [_rounded(number, digits) if small else None for number, small in zip(numbers.tolist(), is_small)]
        )
        return texts.cast(pa.string()), np.flatnonzero(~is_missing & ~is_small)
    is_whole = is_small & (numbers == np.floor(numbers))
    whole = pa.array(np.where(is_whole, numbers, 0).astype(np.int64)).cast(pa.string())
    is_shortest_fine = form.is_number or not form.is_read
    shortest = values.cast(pa.float32()) if values.type == pa.float16() else values
    rest = shortest.cast(pa.string()) if is_shortest_fine else pa.nulls(len(values), pa.string())
    texts = pc.if_else(pa.array(is_whole), whole, rest)
    is_bad = np.isinf(numbers) if is_shortest_fine else ~is_missing & ~is_whole
    texts = pc.if_else(pa.array(is_missing), None, texts)
    return blank_out(texts, is_bad)


def _rounded(number: float, digits: str) -> str:
    """Returns a number with some digits; what is rounded to zero is zero, without a sign."""
    text = format(number, digits)
    return text[1:] if text[0] == "-" and float(text) == 0 else text


def why_no_text(value: float, kind: pa.DataType) -> str:
    """Returns why a float has no text, and what to do: a clause and a sentence."""
    limit = WHOLE_LIMITS[kind]
    if np.isinf(value):
        return "which has no text. Write null where there is no value."
    if abs(value) > limit:
        return (
            f"which is beyond {limit}, up to where {kind} holds every whole number: it may have been another number. "
            "Write the column as INT64 or as text."
        )
    return (
        "which is no whole number, and how many digits its text has is not said. Set precision in the feature that "
        "reads it, for example precision: 2; where only a session or a task space does, declare the field as DOUBLE. "
        "Or write the column as text."
    )


def text_of_decimal(values: pa.Array, form: TextForm) -> Cast:
    """Returns decimals with all digits that their type has behind the point, and without exponent."""
    texts = wide(values).cast(pa.string())
    if pc.any(pc.match_substring(texts, "E")).as_py():
        texts = pa.array([None if one is None else format(one, "f") for one in values.to_pylist()], pa.string())
    return texts, NONE


def text_of_date(values: pa.Array, form: TextForm) -> Cast:
    """Returns dates such as `2026-01-31`."""
    return values.cast(pa.date32()).cast(pa.string()), NONE


def text_of_timestamp(values: pa.Array, form: TextForm) -> Cast:
    """Returns `2026-01-31T23:59:59`, with `.123456` where it is not a whole second, and `Z` behind one with a zone."""
    micros, bad = microseconds(values, pa.int64())
    seconds, fraction = _split(micros)
    moments = pc.replace_substring(seconds.cast(pa.timestamp("s")).cast(pa.string()), " ", "T")
    zone = "Z" if values.type.tz else ""
    return pc.binary_join_element_wise(moments, fraction, zone, ""), bad


def text_of_time(values: pa.Array, form: TextForm) -> Cast:
    """Returns `23:59:59`, with `.123456` where it is not a whole second."""
    micros, bad = microseconds(values, pa.int64())
    seconds, fraction = _split(micros)
    moments = seconds.cast(pa.int32()).cast(pa.time32("s")).cast(pa.string())
    return pc.binary_join_element_wise(moments, fraction, ""), bad


def _split(micros: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Returns whole seconds, and the text of the rest: empty or a point and six digits."""
    counts = micros.fill_null(0).to_numpy()
    rest = counts % 1_000_000
    digits = pc.utf8_lpad(pa.array(rest).cast(pa.string()), 6, "0")
    point = pc.if_else(pa.array(rest != 0), ".", "")
    fraction = pc.binary_join_element_wise(point, pc.if_else(pa.array(rest != 0), digits, ""), "")
    return pa.array((counts - rest) // 1_000_000, mask=flags(micros.is_null())), fraction


def text_of_null(values: pa.Array, form: TextForm) -> Cast:
    """Returns as many nulls."""
    return pa.nulls(len(values), pa.string()), NONE
