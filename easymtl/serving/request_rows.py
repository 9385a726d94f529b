"""Rows of data as a client sends them to a SavedModel."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.config.multi_values import FLOAT, INT64, MultiValue
from easymtl.data.casts import flags
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import DICTIONARY
from easymtl.features import lines
from easymtl.features.columns import as_requested
from easymtl.serving.request_form import RequestForm

_PADDING = {INT64: -1, FLOAT: np.nan}
_ARROW_TYPES = {INT64: pa.int64(), FLOAT: pa.float32()}

Columns = Mapping[str, pa.Array]


def as_sent(form: RequestForm, columns: Columns) -> dict[str, pa.Array]:
    """Returns the inputs of a request for rows of data.

    Args:
        form: of the request.
        columns: of the rows, by field; null is a missing value.
    """
    if form.separator is not None:
        parts = [_texts(columns[name]).fill_null("") for name in form.fields]
        return {lines.INPUT: pc.binary_join_element_wise(*parts, form.separator)}
    lists = _lists(form, columns)
    return {
        name: _padded(lists[name], form.lists[name])
        if name in lists
        else as_requested(columns[name], default_scalar(field))
        for name, field in form.fields.items()
    }


def unsendable(form: RequestForm, columns: Columns) -> dict[str, np.ndarray]:
    """Returns, by field, which rows `[n]` no request can hold; only fields that have some.

    No line can hold its separator, and no list of values what pads it: an empty value at its end, -1 for whole numbers.
    """
    if form.separator is None:
        ends = {name: _loses_its_end(form, name, columns[name]) for name in form.lists}
        return {name: rows for name, rows in ends.items() if rows.any()}
    texts = {name: columns[name] for name, field in form.fields.items() if field.type == pa.string()}
    found = {name: flags(pc.match_substring(_texts(column), form.separator)) for name, column in texts.items()}
    return {name: rows for name, rows in found.items() if rows.any()}


def _loses_its_end(form: RequestForm, name: str, column: pa.Array) -> np.ndarray:
    """Returns which texts `[n]` are read as something else than the list of their values.

    These are histories that end with an empty step; texts of separators alone, of which the list is a missing one,
    where that has a default; and -1 in whole numbers.
    """
    one, texts = form.lists[name], _texts(column).fill_null("")
    separator = f"[{re.escape(one.separators)}]"
    is_other = np.zeros(len(texts), bool)
    if one.is_history:
        is_other = flags(pc.match_substring_regex(texts, f"{separator}$"))
    if one.most and is_other.any():
        is_other &= flags(pc.less(pc.count_substring_regex(texts, separator), one.most))
    if default_scalar(form.fields[name]) is not None:
        is_other |= flags(pc.match_substring_regex(texts, f"^{separator}+$"))
    if one.kind == INT64:
        is_other |= flags(pc.match_substring_regex(texts, rf"(^|{separator})\s*-1\s*({separator}|$)"))
    return is_other


def sendable_part(
    form: RequestForm, raw: pa.RecordBatch, read: pa.RecordBatch
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Returns rows as a request can hold them, without default values and with them.

    Rows that no line can hold are left out. Of lists of values, empty ones at the end of a text are left out, and
    numbers are those that a float32 holds, as they would be on their way to a server.
    """
    found = unsendable(form, dict(zip(raw.schema.names, raw.columns))) if form.separator is not None else {}
    if found:
        keep = pa.array(~np.any(list(found.values()), axis=0))
        raw, read = raw.filter(keep), read.filter(keep)
    for name, values in _lists(form, dict(zip(raw.schema.names, raw.columns))).items():
        texts = [_text(row, form.lists[name]) or None for row in values]
        column = pa.array(texts, pa.string()).dictionary_encode().cast(DICTIONARY)
        raw = _replaced(raw, name, column)
        read = _replaced(read, name, fill_empty(column, default_scalar(form.fields[name])))
    return raw, read


def _replaced(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    place = batch.schema.get_field_index(name)
    return batch.set_column(place, batch.schema.field(place), column)


def _lists(form: RequestForm, columns: Columns) -> dict[str, list[list]]:
    """Returns the values of the rows of each input that holds lists, those of weights at the places of their tags."""
    pieces = {name: list(_pieces(columns[name], one.separators)) for name, one in form.lists.items()}
    result = {}
    for name, one in form.lists.items():
        texts = pieces[name]
        if one.tags:
            # Features pair the weights of a text with tags that are not empty.
            weights = [[piece for piece in row if piece] for row in texts]
            tags = next((pieces[tag] for tag in one.tags if tag in pieces), weights)
            texts = [_at_tags(row, of_row) for row, of_row in zip(weights, tags)]
        result[name] = [[_value(piece, one.kind) for piece in _without_end(row)] for row in texts]
    return result


def _pieces(column: pa.Array, separators: str) -> Iterator[list[str]]:
    pattern = re.compile(f"[{re.escape(separators)}]")
    return (pattern.split(text) if text else [] for text in _texts(column).to_pylist())


def _at_tags(weights: list[str], tags: Sequence[str]) -> list[str]:
    if not any(tags):
        return weights
    rest = iter(weights)
    return [next(rest, "") if tag else "" for tag in tags]


def _without_end(pieces: list[str]) -> list[str]:
    """Returns pieces up to the last that is not empty."""
    return pieces[: max((place for place, piece in enumerate(pieces, 1) if piece), default=0)]


def _value(piece: str, kind: str) -> str | int | float:
    if kind == INT64:
        return int(piece) if piece else -1
    if kind != FLOAT:
        return piece
    number = piece.strip() or "nan"
    return float.fromhex(number) if "0x" in number.lower() else float(number)


def _text(values: Sequence, one: MultiValue) -> str:
    """Returns the text that a row of values stands for, as a feature splits it."""
    if one.kind == FLOAT:
        with np.errstate(over="ignore"):
            pieces = ["" if value != value else str(np.float32(value)) for value in values]
        if one.tags:
            pieces = [piece for piece in pieces if piece]
    else:
        pieces = ["" if value == _PADDING.get(one.kind, "") else str(value) for value in values]
    return one.separators[0].join(_without_end(pieces))


def _padded(rows: Sequence[Sequence], one: MultiValue) -> pa.Array:
    """Returns rows of values as lists of equal lengths, at least 1."""
    width = max((len(row) for row in rows), default=0) or 1
    padding = _PADDING.get(one.kind, "")
    flat = [value for row in rows for value in [*row, *[padding] * (width - len(row))]]
    if one.kind == FLOAT:
        with np.errstate(over="ignore"):
            values = pa.array(np.array(flat, np.float64).astype(np.float32))
    else:
        values = pa.array(flat, _ARROW_TYPES.get(one.kind, pa.string()))
    return pa.FixedSizeListArray.from_arrays(values, width)


def _texts(column: pa.Array) -> pa.Array:
    """Returns values as texts that are read as the same values; null stays null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        shown = [None if value is None else str(value) for value in _scalars(column)]
        return pa.array(shown, pa.string())
    return column.cast(pa.string())


def _scalars(column: pa.Array) -> list:
    """Returns decimal numbers in their own precision, of which the text has the fewest digits."""
    wanted = np.float32 if column.type == pa.float32() else np.float64
    return [None if value is None else wanted(value) for value in column.to_pylist()]
