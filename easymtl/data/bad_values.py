"""Values that are of the declared type and that a feature or label cannot use: found in their files, or left out."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.rows import Rows
from easymtl.errors import UserError

ADVICE = "Correct the row, or set data_config.ignore_error to leave out such rows."
"""What to do about a value that cannot be used."""


class BadValues(UserError):
    """Values of a field, texts or numbers, that cannot be used, raised by whoever encodes a record batch.

    Attributes:
        field: the input field.
        first: one of them.
        others: the rest, found when they are asked for.
        problem: what is wrong with the first, and what is allowed: sentences.
        rows: bool `[n]`, the rows of the batch that cannot be used, where values alone do not tell them; else None.
    """

    def __init__(self, field: str, first: Value, others: Iterable[Value], problem: str, rows: np.ndarray | None = None):
        super().__init__(problem)
        self.field = field
        self.first = first
        self.others = others
        self.problem = problem
        self.rows = rows


def usable_rows(
    encode: Callable[[pa.RecordBatch], Rows], batch: pa.RecordBatch, source: Source, blocks: Sequence[Block]
) -> tuple[pa.RecordBatch, Rows]:
    """Returns a batch and its encoded rows; with `ignore_error` without those whose values cannot be used.

    Args:
        encode: turns a record batch into rows, one for one.
        batch: read from the blocks.
        source: counts what is left out.
        blocks: where the batch comes from.

    Raises:
        UserError: a value cannot be used; it names file and line.
    """
    while True:
        try:
            return batch, encode(batch)
        except BadValues as error:
            if not source.ignore_error:
                raise UserError(f"{described(error, source, blocks)} {ADVICE}") from None
            if error.rows is None:
                is_bad = _is_bad(batch.column(error.field), [error.first, *error.others])
            else:
                is_bad = pa.array(error.rows)
            # A dictionary may hold values that only rows which were left out, or rows of another batch, have.
            count = pc.sum(is_bad).as_py()
            if count:
                source.skipped.add(partial(described, error, source, blocks), count)
            batch = _without(batch, is_bad, error.field)


def described(error: BadValues, source: Source, blocks: Sequence[Block]) -> str:
    """Returns the problem, behind the file and line of the first row that has it."""
    return _place(error, source, blocks) + error.problem


def _place(error: BadValues, source: Source, blocks: Sequence[Block]) -> str:
    """Returns `file:line: ` of the first row with the first bad value."""
    for block in blocks:
        place = source.find(block, error.field, error.first)
        if place:
            return f"{place}: "
    return ""


def _without(batch: pa.RecordBatch, is_bad: pa.Array, field: str) -> pa.RecordBatch:
    """Returns the other rows, and no value of a field but those that they have."""
    batch = batch.filter(pc.invert(is_bad))
    place = batch.schema.get_field_index(field)
    column = batch.column(place)
    if pa.types.is_dictionary(column.type):
        batch = batch.set_column(place, batch.schema.field(place), column.dictionary_decode().dictionary_encode())
    return batch


def _is_bad(column: pa.Array, values: Sequence[Value]) -> pa.Array:
    if not pa.types.is_dictionary(column.type):
        return pc.is_in(column, pa.array(values, column.type))
    is_bad = pc.is_in(column.dictionary, pa.array(values, column.type.value_type))
    return is_bad.take(column.indices).fill_null(False)
