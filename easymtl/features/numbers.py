"""Columns of numbers beside the features: labels, sample weights and indicators of sample spaces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.bad_values import BadValues
from easymtl.data.convert import parse_text


@dataclass(frozen=True)
class NumberColumn:
    """A float32 column: the numbers of a field, or 1.0 where its text equals a value and 0.0 elsewhere.

    Attributes:
        name: the field, or "<field>==<value>".
        field: the input field it is read from.
        equals: the text to compare with; None for the numbers themselves.
    """

    name: str
    field: str
    equals: str | None = None

    @classmethod
    def indicator(cls, field: str, value: str) -> "NumberColumn":
        """Returns the column that is 1.0 where the text of `field` is `value`."""
        return cls(f"{field}=={value}", field, value)


def read_numbers(batch: pa.RecordBatch, columns: Sequence[NumberColumn]) -> np.ndarray:
    """Returns the number columns of a batch, `[n, K]` float32; a missing number is NaN, a missing indicator 0.0.

    Raises:
        BadValues: a text is no number.
    """
    numbers = np.empty((batch.num_rows, len(columns)), np.float32)
    for place, column in enumerate(columns):
        read = _floats if column.equals is None else _indicator
        numbers[:, place] = _by_value(batch.column(column.field), column, read)
    return numbers


def _by_value(array: pa.Array, column: NumberColumn, read) -> np.ndarray:
    if not pa.types.is_dictionary(array.type):
        return read(array, column)
    values = np.append(read(array.dictionary, column), np.float32(np.nan if column.equals is None else 0))
    return values[array.indices.fill_null(len(array.dictionary)).to_numpy().astype(np.intp)]


def _floats(array: pa.Array, column: NumberColumn) -> np.ndarray:
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        text = pc.utf8_trim_whitespace(array)
        _check_numbers(array, text, column)
        array = pc.if_else(pc.equal(text, ""), None, text)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return array.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)


def _check_numbers(array: pa.Array, trimmed: pa.Array, column: NumberColumn) -> None:
    _, bad = parse_text(trimmed.cast(pa.string()), pa.float64())
    if len(bad):
        first, *others = dict.fromkeys(array[int(row)].as_py() for row in bad)
        raise BadValues(
            column.field,
            first,
            others,
            f'field "{column.field}" holds "{first}", which is not a number, and is used as a label or weight.',
        )


def _indicator(array: pa.Array, column: NumberColumn) -> np.ndarray:
    wanted = column.equals or ""
    if pa.types.is_floating(array.type):
        try:
            return (array.to_numpy(zero_copy_only=False) == float(wanted)).astype(np.float32)
        except ValueError:
            return np.zeros(len(array), np.float32)
    text = array if pa.types.is_string(array.type) else array.cast(pa.string())
    return pc.equal(text, wanted).fill_null(False).to_numpy(zero_copy_only=False).astype(np.float32)
