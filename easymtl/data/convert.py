"""From text to declared types, and the defaults of empty values."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.casts import blank_out, flags, one_by_one
from easymtl.data.fields import DICTIONARY, Field
from easymtl.errors import UserError

ALLOWED = {
    pa.int32(): "a whole number from -2147483648 to 2147483647",
    pa.int64(): "a whole number from -9223372036854775808 to 9223372036854775807",
    pa.float32(): "a number up to 3.4e38 such as 3, -0.5, 1e5, nan or inf",
    pa.float64(): "a number such as 3, -0.5, 1e5, nan or inf",
    pa.bool_(): "true, false, 1 or 0",
    pa.string(): "UTF-8 text",
}


def default_scalar(field: Field) -> pa.Scalar | None:
    """Returns the value of `default_val` in the declared type, or None when there is none.

    Raises:
        UserError: the text is no value of the type.
    """
    return None if field.default is None else _scalar(field, "default_val", field.default)


def serving_scalar(field: Field) -> pa.Scalar | None:
    """Returns the value of `serving_value` in the declared type, or None when there is none.

    An empty text stands for a missing one, and so for `default_val` where there is that.

    Raises:
        UserError: the text is no value of the type.
    """
    if field.serving is None:
        return None
    return _scalar(field, "serving_value", field.serving or field.default or "")


def _scalar(field: Field, option: str, text: str) -> pa.Scalar:
    if field.type == pa.string():
        return pa.scalar(text)
    values, bad = parse_text(pa.array([text]), field.type)
    if len(bad) or not values[0].is_valid:
        raise UserError(
            f'data_config.input_fields "{field.name}": {option} "{text}" is no {field.type_name}. '
            f"Allowed is {ALLOWED[field.type]}."
        )
    return values[0]


def fill_empty(column: pa.Array, default: pa.Scalar | None) -> pa.Array:
    """Returns the column with `default` in place of null, of an empty text and of NaN; with None all stay.

    The graph that serves does the same to texts and decimal numbers, see `FeatureSet.filled`.
    """
    if default is None:
        return column
    if pa.types.is_floating(column.type):
        missing = pc.is_null(column, nan_is_null=True)
        return pc.if_else(missing, default, column) if pc.any(missing).as_py() else column
    if column.type == DICTIONARY and pc.any(pc.equal(column.dictionary, "")).as_py():
        texts = column.dictionary_decode()
        column = pc.if_else(pc.equal(texts, ""), default, texts).dictionary_encode().cast(DICTIONARY)
    if not column.null_count:
        return column
    filled = pc.fill_null(column, default)
    return filled.cast(DICTIONARY) if column.type == DICTIONARY and filled.type != DICTIONARY else filled


def parse_text(texts: pa.Array, kind: pa.DataType) -> tuple[pa.Array, np.ndarray]:
    """Parses text as Arrow's CSV reader does: empty is null, blanks around a number are no part of it.

    A number that is too large for a float type, as 1e39 for FLOAT, does not parse: Arrow makes infinity of it.

    Args:
        texts: `[n]` strings.
        kind: a declared type other than string.

    Returns:
        `[n]` values, null where the text is empty or does not parse, and the indices of those that do not parse.
    """
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, texts.type), texts)
    trimmed = pc.utf8_trim(texts, " \t")
    values, bad = one_by_one(trimmed, lambda part: part.cast(kind))
    if not pa.types.is_floating(kind):
        return values, bad
    is_too_large = flags(pc.is_inf(values)) & ~flags(pc.match_substring(trimmed, "inf", ignore_case=True))
    values, too_large = blank_out(values, is_too_large)
    return values, np.union1d(bad, too_large) if len(too_large) else bad
