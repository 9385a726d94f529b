"""Labels and weights are checked as rows are read, and counted as they are used: a wrong one would train in silence."""

from collections.abc import Sequence
from copy import copy
from typing import Protocol

import numpy as np
import pyarrow as pa

from easymtl.data.bad_values import BadValues
from easymtl.data.rows import TOLD, Rows
from easymtl.features.label_rules import (
    LabelRule,
    LearntRule,
    RowRule,
    WeightRule,
    counted_rows,
    no_label,
    why_unlearnt,
)
from easymtl.features.numbers import Known, NumberColumn, read_numbers

_COUNTED = f"{TOLD}labels"
"""Whether a row has each label, and counts by each factor of each tower and by all of them, `[n, K]` bool."""


class RowEncoder(Protocol):
    """Turns record batches that hold `fields` into rows."""

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""

    @property
    def items(self) -> Sequence[str]:
        """Returns those of them that may come as lists of items, see `open_source`."""

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, one for one."""


class NumbersEncoder(RowEncoder, Protocol):
    """One that need not read numbers which somebody has read."""

    def __call__(self, batch: pa.RecordBatch, known: Known | None = None) -> Rows:
        """Returns the rows of a batch, one for one; `known` are numbers of it that have been read."""


class LabelCheck:
    """An encoder that checks labels and weights; may be called from several threads at once.

    Attributes:
        num_labels: label field -> rows counted so far that have it, predictions of other models that are learnt too.
    """

    def __init__(self, encoder: NumbersEncoder, rules: Sequence[RowRule]):
        self._encoder = encoder
        self._rules = tuple(rules)
        self._learnt = tuple(rule for rule in rules if not isinstance(rule, WeightRule))
        self._names = {rule.column.field: rule.column.name for rule in self._learnt}
        self._factor_columns = [factor.column for rule in self._learnt for factor in rule.factors]
        self.num_labels: dict[str, int] = dict.fromkeys(self._names, 0)
        self._num_counted = [[0] * (len(rule.factors) + 1) for rule in self._learnt]

    @property
    def encoder(self) -> NumbersEncoder:
        """Returns what encodes the rows."""
        return self._encoder

    @property
    def rules(self) -> tuple[RowRule, ...]:
        """Returns what is checked."""
        return self._rules

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""
        return self._encoder.fields

    @property
    def items(self) -> Sequence[str]:
        """Returns those of them that may come as lists of items."""
        return self._encoder.items

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, whose labels and weights are all allowed, with a column that tells what counts.

        Raises:
            BadValues: one is not.
        """
        numbers = checked_numbers(batch, self._rules, self._factor_columns)
        rows = self._encoder(batch, numbers)
        if self._learnt:
            labelled = [~np.isnan(numbers[name]) for name in self._names.values()]
            counted = [flags for rule in self._learnt for flags in counted_rows(rule, numbers)]
            rows.columns[_COUNTED] = np.stack([*labelled, *counted], axis=1)
        return rows

    def count(self, rows: Rows) -> None:
        """Counts the labels and weights of rows that have been used."""
        if not self._learnt:
            return
        numbers = iter(np.asarray(rows[_COUNTED]).sum(axis=0).tolist())
        for field in self.num_labels:
            self.num_labels[field] += next(numbers)
        for counts in self._num_counted:
            counts[:] = [count + next(numbers) for count in counts]

    def counts(self) -> list[list[int]]:
        """Returns what has been counted, as numbers that add up over workers."""
        return [list(self.num_labels.values()), *self._num_counted]

    def of_all(self, counts: Sequence[Sequence[Sequence[int]]]) -> "LabelCheck":
        """Returns the same check with what several workers have counted."""
        labels, *counted = ([sum(numbers) for numbers in zip(*parts)] for parts in zip(*counts))
        result = copy(self)
        result.num_labels = dict(zip(self.num_labels, labels))
        result._num_counted = counted
        return result

    def unlearnt(self, rows: str) -> list[tuple[LearntRule, str]]:
        """Returns the rules of the towers and entries of `kd` that no row so far counts for, each with the reason.

        Args:
            rows: what the rows are called in the reason, such as `rows trained on so far`.
        """
        found = ((rule, self._why(rule, counts, rows)) for rule, counts in zip(self._learnt, self._num_counted))
        return [(rule, why) for rule, why in found if why]

    def _why(self, rule: LearntRule, counts: Sequence[int], rows: str) -> str:
        if not self.num_labels[rule.column.field]:
            return no_label(rule, rows)
        return why_unlearnt(rule, counts, f"{rows} with a label")


def checked_numbers(
    batch: pa.RecordBatch, rules: Sequence[RowRule], further: Sequence[NumberColumn] = ()
) -> dict[str, np.ndarray]:
    """Returns the numbers of rules and of further columns by name, `[n]` float32 each, NaN where missing.

    Raises:
        BadValues: one is not allowed by its rule.
    """
    columns = list({column.name: column for column in (*(rule.column for rule in rules), *further)}.values())
    numbers = dict(zip((column.name for column in columns), read_numbers(batch, columns).T))
    for rule in rules:
        _require_allowed(batch.column(rule.column.field), rule, numbers[rule.column.name])
    return numbers


def _require_allowed(array: pa.Array, rule: RowRule, numbers: np.ndarray) -> None:
    is_bad = rule.is_bad(numbers) if isinstance(rule, LabelRule) else rule.is_bad(array, numbers)
    bad = np.flatnonzero(is_bad)
    if len(bad):
        values = array.take(pa.array(bad))
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        # Arrow's `unique` takes one NaN for another.
        first, *others = values.unique().to_pylist()
        raise BadValues(rule.column.field, first, others, rule.problem(first))
