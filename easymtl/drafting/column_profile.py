"""What a pass over a column has found."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.drafting.kinds import Kind
from easymtl.drafting.separators import SEPARATORS
from easymtl.drafting.tally import Tally

_WHOLE = r"^[+-]?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
_WEIGHTED = r"^[^:]*[^:0-9][^:]*:[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$|^[0-9]+:[+-]?[0-9]*\.[0-9]+$"


class ColumnProfile:
    """A column, batch by batch.

    Attributes:
        name: of the column.
        kind: what its Arrow type holds.
        type_name: its Arrow type, for people.
        separator: what separates the values of its texts, or of a list written as text; empty where nothing does.
        inner: what separates the items of one step of a list; empty where a step is one item.
        is_spelled: whether it is of CSV, where numbers are texts too.
        num_rows: rows that were read.
        num_missing: rows without a value: null, an empty text, NaN, an empty list.
        low: the smallest number, of lists the smallest item; None without numbers.
        high: the largest one.
        num_zeros: numbers that are 0.
        is_whole: whether all numbers are whole, and texts spell whole numbers.
        is_number: whether all values are numbers, or texts that spell them.
        is_time: whether all texts spell times.
        is_weighted: whether all texts are a word and a number, `shoes:0.5`.
        has_infinite: whether there is an infinite number.
        is_broken: whether there are bytes that are no text.
        shortest: the least number of items in a list that is not missing.
        longest: the most.
        held: characters that stand in texts or items and so can separate nothing.
        told: `ids` or `amounts`, where a schema says what whole numbers are.
        tally: counts the values, of lists the items.
    """

    def __init__(self, name: str, kind: Kind, type_name: str, separator: str = "", inner: str = "", spelled=False):
        self.name, self.kind, self.type_name, self.is_spelled = name, kind, type_name, spelled
        self.separator, self.inner = separator, inner
        self.num_rows = self.num_missing = self.num_zeros = self.num_values = 0
        self.low: float | None = None
        self.high: float | None = None
        self.is_whole = self.is_number = kind not in (Kind.NESTED, Kind.NULL, Kind.LISTS)
        self.is_time = kind is Kind.TEXT
        self.is_weighted = kind in (Kind.TEXT, Kind.LIST)
        self.has_infinite = self.is_broken = False
        self.shortest, self.longest = 1 << 31, 0
        self.held: set[str] = set()
        self.told = ""
        self.tally = Tally()
        self._total_length = 0

    @property
    def is_list(self) -> bool:
        """Whether a row holds several values."""
        return self.kind in (Kind.LIST, Kind.LISTS) or bool(self.separator)

    @property
    def num_distinct(self) -> int:
        """How many different values, or items of lists, there are, about."""
        return self.tally.num_distinct

    @property
    def missing_rate(self) -> float:
        """The share of rows without a value."""
        return self.num_missing / max(self.num_rows, 1)

    @property
    def mean_length(self) -> float:
        """Items of a list on average, missing ones left out."""
        return self._total_length / max(self.num_rows - self.num_missing, 1)

    def add(self, values: pa.Array) -> None:
        """Adds a batch `[n]` as `kinds.plain` gives it, texts of several values as lists."""
        self.num_rows += len(values)
        if pa.types.is_null(values.type):
            self.num_missing += len(values)
            self.is_broken |= self.kind is Kind.TEXT and len(values) > 0
            return
        if self.is_list:
            self._add_lists(values)
        else:
            self.num_missing += values.null_count
            self._add_values(values.drop_null())

    def _add_lists(self, values: pa.Array) -> None:
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        full = lengths[lengths > 0]
        self.num_missing += len(lengths) - len(full)
        if len(full):
            self.shortest, self.longest = min(self.shortest, int(full.min())), max(self.longest, int(full.max()))
            self._total_length += int(full.sum())
        items = pc.list_flatten(values)
        if self.kind is Kind.LISTS:
            items = pc.list_flatten(items)
        items = items.drop_null()
        if pa.types.is_string(items.type):
            items = items.filter(pc.not_equal(items, ""))
            if self.inner:
                items = pc.list_flatten(pc.split_pattern(items, self.inner))
        self._add_values(items)

    def _add_values(self, values: pa.Array) -> None:
        if not len(values):
            return
        self.num_values += len(values)
        counted = pc.value_counts(values)
        distinct, counts = counted.field("values"), counted.field("counts")
        self.tally.add(distinct, counts)
        if pa.types.is_string(distinct.type):
            self._look_at_texts(distinct, counts)
        elif pa.types.is_boolean(distinct.type):
            self.is_whole = self.is_number = True
            self.is_weighted = False
            self._add_numbers(distinct.cast(pa.int8()).cast(pa.float64()), counts)
        else:
            self.is_weighted = False
            self._add_numbers(distinct.cast(pa.float64(), safe=False), counts)

    def _look_at_texts(self, texts: pa.Array, counts: pa.Array) -> None:
        self.is_time = self.is_time and _all_match(texts, _TIME)
        self.is_weighted = self.is_weighted and _all_match(texts, _WEIGHTED)
        self.is_number = self.is_number and _all_match(texts, _NUMBER)
        self.is_whole = self.is_whole and self.is_number and _all_match(texts, _WHOLE)
        for separator in (*SEPARATORS, " "):
            if separator not in self.held and pc.any(pc.match_substring(texts, separator)).as_py():
                self.held.add(separator)
        if self.is_number:
            self._add_numbers(texts.cast(pa.float64()), counts)

    def _add_numbers(self, numbers: pa.Array, counts: pa.Array) -> None:
        values = numbers.to_numpy(zero_copy_only=False)
        is_finite = np.isfinite(values)
        self.has_infinite |= not is_finite.all()
        values, times = values[is_finite], counts.to_numpy(zero_copy_only=False)[is_finite]
        if not len(values):
            return
        self.is_whole = self.is_whole and bool((values == np.floor(values)).all())
        low, high = float(values.min()), float(values.max())
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        self.num_zeros += int(times[values == 0].sum())


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())


def numbers_of(column: ColumnProfile, sample: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the different finite numbers of a column, ascending, and how often each occurs.

    They are those of all rows where all values were counted, else of the sample.
    """
    values, counts = column.tally.counted()
    if not len(values):
        known = sample.combine_chunks().drop_null() if not column.is_list else _items(sample)
        counted = pc.value_counts(known)
        values, counts = counted.field("values"), counted.field("counts").to_numpy(zero_copy_only=False)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    order = np.argsort(numbers, kind="stable")
    numbers, counts = numbers[order], np.asarray(counts)[order]
    is_finite = np.isfinite(numbers)
    return numbers[is_finite], counts[is_finite]


def _items(sample: pa.ChunkedArray) -> pa.Array:
    items = pc.list_flatten(sample.combine_chunks()).drop_null()
    return items.filter(pc.not_equal(items, "")) if pa.types.is_string(items.type) else items
