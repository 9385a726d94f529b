"""Columns to the pieces of all features that read them, and which value of a column is no number where one must be."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.data.blocks import Value
from easymtl.data.fields import LISTS
from easymtl.data.lists import texts_of_lists
from easymtl.features.columns import read_column, read_values
from easymtl.features.number_texts import no_number
from easymtl.features.pieces import Piece
from easymtl.features.traced import TracedTransforms

_NOT_A_NUMBER = "could not correctly convert string: "


class ColumnPieces(NamedTuple):
    """The pieces of a column for all features that read its field.

    Attributes:
        pieces: in the order of the features.
        indices: for each row the place of its value in the pieces, see `Encoded`.
        num_nulls: as `Column` has it.
    """

    pieces: list[Piece]
    indices: np.ndarray | None
    num_nulls: int


def pieces_of_columns(arrays: Mapping[str, pa.Array], traced: TracedTransforms) -> list[ColumnPieces]:
    """Returns the pieces of all fields, in the order of the columns."""
    lists = frozenset(field for field, array in arrays.items() if array.type == LISTS)
    columns = [read_values(array, traced.most_items[field]) for field, array in arrays.items()]
    try:
        pieces = traced.together(lists)([column.values for column in columns])
    except tf.errors.InvalidArgumentError as error:
        if _NOT_A_NUMBER not in error.message:
            raise
        # Now each field by itself, to tell which and what.
        return [
            pieces_of_items(field, array, traced) if field in lists else _of_values(field, array, traced)
            for field, array in arrays.items()
        ]
    return [ColumnPieces(one, column.indices, column.num_nulls) for one, column in zip(pieces, columns)]


def pieces_of_items(field: str, lists: pa.Array, traced: TracedTransforms) -> ColumnPieces:
    """Returns the pieces of lists, of which each distinct item is encoded once.

    Raises:
        BadValues: an item must be a number and is none; it tells the whole text, by which the row is found.
    """
    try:
        items = read_values(lists, traced.most_items[field]).values
        return ColumnPieces(traced.of_items(field)(items), None, 0)
    except tf.errors.InvalidArgumentError as error:
        if _NOT_A_NUMBER not in error.message:
            raise
    # It may be right: not every item need be read.
    texts = texts_of_lists(lists, traced.separators[field][0])
    try:
        return _of_values(field, texts, traced)
    except BadValues as error:
        bad = [error.first, *error.others]
        rows = pc.is_in(texts, pa.array(bad, pa.string())).to_numpy(zero_copy_only=False)
        raise BadValues(field, error.first, bad[1:], error.problem, rows) from None


def _of_values(field: str, array: pa.Array, traced: TracedTransforms) -> ColumnPieces:
    """Returns the pieces of the values of a field.

    Raises:
        BadValues: one must be a number and is none.
    """
    column = read_column(array)
    function = traced.of_values(field)
    try:
        return ColumnPieces(function(column.values), column.indices, column.num_nulls)
    except tf.errors.InvalidArgumentError as error:
        if _NOT_A_NUMBER not in error.message:
            raise
    bad = _failing(function, column.values)
    first = next(bad)
    features = (name for name, _ in traced.uses[field])
    raise BadValues(field, first, bad, no_number(field, features, first))


def _failing(function: Callable, values: tf.Tensor) -> Iterator[Value]:
    """Yields the values that a function of values fails on, found by halving."""
    try:
        function(values)
        return
    except tf.errors.InvalidArgumentError:
        if len(values) == 1:
            value = values[0].numpy()
            yield value.decode("utf-8", "replace") if isinstance(value, bytes) else value.item()
            return
    middle = len(values) // 2
    yield from _failing(function, values[:middle])
    yield from _failing(function, values[middle:])
