"""Encoded rows: named columns whose first axis is the row, and bags of a varying number of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from easymtl.data.runs import Runs

TOLD = "told_"
"""Begins the names of columns that tell of rows what no model reads: what was odd in them, which labels they have."""


class Ragged:
    """K bags of values per row, laid out row 0 bag 0, row 0 bag 1, ..., row 1 bag 0, ...

    Attributes:
        values: `[m, ...]`, the values of all bags; bags of m rows where values are bags themselves.
        lengths: `[n, K]` int32, how many values each bag has; they sum to m.
        weights: `[m]` float32, a weight for each value, or None when all are 1.
    """

    def __init__(self, values: np.ndarray | Ragged, lengths: np.ndarray, weights: np.ndarray | None = None):
        self.values = values
        self.lengths = lengths
        self.weights = weights

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> np.ndarray:
        """Returns `[n + 1]` int64: where the values of each row start, and the end of the last."""
        starts = np.zeros(len(self.lengths) + 1, np.int64)
        num_bags = self.lengths.shape[1]
        if num_bags:
            # Over all bags: sums of few numbers each take NumPy far longer.
            starts[1:] = np.cumsum(self.lengths, dtype=np.int64)[num_bags - 1 :: num_bags]
        return starts

    @property
    def nbytes(self) -> int:
        """Returns the bytes that the arrays hold."""
        return self.values.nbytes + self.lengths.nbytes + (0 if self.weights is None else self.weights.nbytes)

    def take(self, indices: np.ndarray) -> Ragged:
        """Returns the rows at `indices`, in that order; their values cannot be written to."""
        return Ragged(self._runs[0](indices), self.lengths.take(indices, axis=0), self._runs[1](indices))

    @cached_property
    def _runs(self) -> tuple[Callable, Callable]:
        """Returns what takes the values of rows, and their weights."""
        return _taker(self.values, self.starts), _taker(self.weights, self.starts)

    def slice(self, start: int, length: int) -> Ragged:
        """Returns `length` rows from `start` on, without copying."""
        low, high = int(self.starts[start]), int(self.starts[start + length])
        values = self.values.slice(low, high - low) if isinstance(self.values, Ragged) else self.values[low:high]
        weights = None if self.weights is None else self.weights[low:high]
        return Ragged(values, self.lengths[start : start + length], weights)

    @staticmethod
    def concat(parts: Sequence[Ragged]) -> Ragged:
        """Returns the rows of all parts, one after the other; parts without weights count as weight 1."""
        weights = None
        if any(part.weights is not None for part in parts):
            ones = [np.ones(len(part.values), np.float32) for part in parts]
            weights = np.concatenate([one if part.weights is None else part.weights for one, part in zip(ones, parts)])
        inner = [part.values for part in parts if isinstance(part.values, Ragged)]
        values = Ragged.concat(inner) if inner else np.concatenate([part.values for part in parts])
        return Ragged(values, np.concatenate([part.lengths for part in parts]), weights)


def _taker(column: np.ndarray | Ragged | None, starts: np.ndarray) -> Callable:
    """Returns a function from rows to what they have of a column, of which each has a run; None of none."""
    if column is None:
        return lambda indices: None
    if isinstance(column, np.ndarray):
        return Runs(column, starts).take
    inner = column.starts[starts]
    lengths, values, weights = Runs(column.lengths, starts), _taker(column.values, inner), _taker(column.weights, inner)
    return lambda indices: Ragged(values(indices), lengths.take(indices), weights(indices))


Column: TypeAlias = np.ndarray | Ragged | pa.Array


class Rows:
    """Columns of one number of rows, by name: arrays `[n, ...]`, bags and raw Arrow columns.

    Attributes:
        columns: the columns by name; the first axis of each is the row.
    """

    def __init__(self, columns: dict[str, Column]):
        self.columns = columns

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __len__(self) -> int:
        return self.num_rows

    @property
    def num_rows(self) -> int:
        """Returns the number of rows."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def nbytes(self) -> int:
        """Returns the bytes that the columns of the model hold: windows end by them, whatever is told of their rows."""
        return sum(column.nbytes for name, column in self.columns.items() if not name.startswith(TOLD))

    def take(self, indices: np.ndarray) -> Rows:
        """Returns the rows at `indices`, in that order."""
        return Rows({name: _take(column, indices) for name, column in self.columns.items()})

    def slice(self, start: int, length: int) -> Rows:
        """Returns `length` rows from `start` on, without copying."""
        return Rows({name: _slice(column, start, length) for name, column in self.columns.items()})

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """Returns the rows of all parts, one after the other; all have the same column names."""
        if len(parts) == 1:
            return parts[0]
        return Rows({name: concat_columns([part.columns[name] for part in parts]) for name in parts[0].columns})


def _take(column: Column, indices: np.ndarray) -> Column:
    if isinstance(column, np.ndarray):
        return column.take(indices, axis=0)
    return column.take(indices if isinstance(column, Ragged) else pa.array(indices))


def _slice(column: Column, start: int, length: int) -> Column:
    return column[start : start + length] if isinstance(column, np.ndarray) else column.slice(start, length)


def concat_columns(parts: list[Any]) -> Column:
    """Returns one column that holds the rows of all parts, one after the other."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    if isinstance(parts[0], Ragged):
        return Ragged.concat(parts)
    return pa.concat_arrays(parts)
