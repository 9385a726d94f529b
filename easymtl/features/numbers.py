"""Columns of numbers beside the features: labels, sample weights and indicators of sample spaces."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.config import view
from easymtl.config.field_values import parse_value
from easymtl.data.bad_values import BadValues
from easymtl.data.convert import parse_text
from easymtl.errors import quoted
from easymtl.protos.data_pb2 import DatasetConfig


@dataclass(frozen=True)
class NumberColumn:
    """A float32 column: the numbers of a field, or 1.0 where it holds a value and 0.0 elsewhere.

    Attributes:
        name: the field, or "<field>==<value>".
        field: the input field it is read from.
        equals: the value to compare with, as it is written in the config; None for the numbers themselves.
        texts: what the texts of a label stand for, see `view.label_texts`; empty where they spell numbers.
        is_label: whether the field is a label.
    """

    name: str
    field: str
    equals: str | None = None
    texts: Mapping[str | None, float] = dataclasses.field(default_factory=dict, hash=False)
    is_label: bool = False

    @classmethod
    def plain(cls, data_config: DatasetConfig, field: str) -> "NumberColumn":
        """Returns the column of the numbers of a field, or of those that its texts spell or stand for."""
        texts = view.label_texts(data_config, field)
        return cls(field, field, texts=texts, is_label=field in data_config.label_fields)

    @classmethod
    def indicator(cls, field: str, value: str) -> "NumberColumn":
        """Returns the column that is 1.0 where `field` holds what `value` is in the type of the field."""
        return cls(f"{field}=={value}", field, value)


Known = Mapping[str, np.ndarray]
"""Number columns of a batch that have been read, by name, `[n]` each."""


def read_numbers(batch: pa.RecordBatch, columns: Sequence[NumberColumn], known: Known | None = None) -> np.ndarray:
    """Returns the number columns of a batch, `[n, K]` float32; a missing number is NaN, a missing indicator 0.0.

    Args:
        batch: holds their fields.
        columns: to read.
        known: is not read once more.

    Raises:
        BadValues: a text is no number.
    """
    numbers = np.empty((batch.num_rows, len(columns)), np.float32)
    known = known or {}
    for place, column in enumerate(columns):
        is_known = column.name in known
        numbers[:, place] = known[column.name] if is_known else _read(batch.column(column.field), column)
    return numbers


def _read(array: pa.Array, column: NumberColumn) -> np.ndarray:
    if _is_text(array.type):
        array = array.dictionary_encode()
    if not pa.types.is_dictionary(array.type):
        return _floats(array) if column.equals is None else _is_equal(array, column.equals)
    values = np.append(_of_texts(array.dictionary, column), _of_null(column))
    return values[array.indices.fill_null(len(array.dictionary)).to_numpy().astype(np.intp)]


def _of_null(column: NumberColumn) -> np.float32:
    """Returns what a missing text is: a missing number, or in the space of the empty text."""
    return np.float32(np.nan if column.equals is None else column.equals == "")


def _of_texts(texts: pa.Array, column: NumberColumn) -> np.ndarray:
    if column.equals is not None:
        return pc.equal(texts, column.equals).fill_null(False).to_numpy(zero_copy_only=False).astype(np.float32)
    if column.texts:
        return _named_numbers(texts, column)
    trimmed = pc.utf8_trim_whitespace(texts)
    numbers, bad = parse_text(trimmed.cast(pa.string()), pa.float64())
    if len(bad):
        problem = "which is not a number, and is used as a label or weight."
        if column.is_label:
            entry = f'label_values {{ label_name: "{column.field}" number: 1 texts: "{texts[int(bad[0])].as_py()}" }}'
            problem += f" If it is a word for a label, say what each word stands for: data_config {{ {entry} }}."
        raise _bad_texts(texts, bad, column, problem)
    return _floats(numbers)


def _named_numbers(texts: pa.Array, column: NumberColumn) -> np.ndarray:
    """Returns the numbers that the texts of a label stand for; an empty text is a missing label."""
    of_others = column.texts.get(None)
    numbers = [column.texts.get(text, of_others) if text else np.nan for text in texts.to_pylist()]
    bad = [row for row, number in enumerate(numbers) if number is None]
    if bad:
        known = quoted(text for text in column.texts if text is not None)
        entry = f'label_values {{ label_name: "{column.field}" number: 0 texts: "{texts[bad[0]].as_py()}" }}'
        problem = (
            f"which data_config.label_values gives no number; it knows {known}. Say what it stands for, for example "
            f"{entry}, or leave out the texts of an entry, which is then that of all others."
        )
        raise _bad_texts(texts, bad, column, problem)
    return np.array(numbers, np.float32)


def _bad_texts(texts: pa.Array, bad: Sequence[int] | np.ndarray, column: NumberColumn, problem: str) -> BadValues:
    first, *others = dict.fromkeys(texts[int(row)].as_py() for row in bad)
    return BadValues(column.field, first, others, f'field "{column.field}" holds "{first}", {problem}')


def _floats(array: pa.Array) -> np.ndarray:
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    return array.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)


def _is_equal(array: pa.Array, text: str) -> np.ndarray:
    """Returns where numbers are the one that a text of the config stands for in their type."""
    kind = array.type
    name = "DOUBLE" if pa.types.is_floating(kind) else "BOOL" if pa.types.is_boolean(kind) else "INT64"
    # As narrow as the column: 0.1 in a FLOAT field is the float32 nearest to it.
    value = pa.scalar(parse_value(name, text), kind)
    return pc.equal(array, value).fill_null(False).to_numpy(zero_copy_only=False).astype(np.float32)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
