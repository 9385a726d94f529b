"""One pass over the rows: what each column holds, which labels need which, and a sample of whole rows."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.kinds import Kind, kind_of_type, plain
from easymtl.drafting.separators import split_texts, text_separator
from easymtl.drafting.table import Progress, Table
from easymtl.errors import UserError

_SAMPLE_ROWS = 50_000


@dataclass
class Profile:
    """What is known of rows.

    Attributes:
        num_rows: how many there are.
        columns: by name, in the order of the data.
        sample: rows drawn without preference, in the order of the data, as `plain` gives them; texts that hold
            several values are split into lists.
        lengths: a fingerprint of the lengths of all lists of a column: equal ones belong step by step.
        together: of two labels (a, b), the rows where b is above 0 and a is not.
        table: what was read.
    """

    table: Table
    num_rows: int = 0
    columns: dict[str, ColumnProfile] = field(default_factory=dict)
    sample: pa.Table = field(default_factory=lambda: pa.table({}))
    lengths: dict[str, str] = field(default_factory=dict)
    together: dict[tuple[str, str], int] = field(default_factory=dict)


def read_profile(table: Table, labels: Sequence[str], progress: Progress | None = None) -> Profile:
    """Reads all rows once.

    Args:
        table: what to read.
        labels: the columns that a model learns, whose relations are counted.
        progress: is told how much has been read.

    Raises:
        UserError: there are no rows, or a file cannot be read.
    """
    profile = Profile(table)
    sampler = _Sampler()
    lengths: dict[str, Any] = {}
    for batch in table.batches(progress):
        arrays = {name: plain(batch.column(name)) for name in table.types}
        if not batch.num_rows:
            continue
        if not profile.columns:
            profile.columns = _columns(table, arrays, labels)
        for name, column in profile.columns.items():
            if column.separator and arrays[name].type == pa.string():
                arrays[name] = split_texts(arrays[name], column.separator)
            column.add(arrays[name])
            if column.is_list:
                steps = pc.fill_null(pc.list_value_length(arrays[name]), 0).cast(pa.int32())
                digest = lengths.setdefault(name, hashlib.blake2b(digest_size=16))
                digest.update(steps.to_numpy(zero_copy_only=False).tobytes())
        _count_together(profile.together, {name: arrays[name] for name in labels if name in arrays})
        sampler.add(arrays, batch.num_rows)
        profile.num_rows += batch.num_rows
    if not profile.num_rows:
        raise UserError(f"{table.paths or 'the table'}: there are no rows to draft from.")
    profile.sample = sampler.table(list(table.types))
    profile.lengths = {name: digest.hexdigest() for name, digest in lengths.items()}
    return profile


def _columns(table: Table, arrays: Mapping[str, pa.Array], labels: Sequence[str]) -> dict[str, ColumnProfile]:
    """Returns profiles without values. What separates the values of a text is told by the first batch."""
    columns = {}
    for name, found in table.types.items():
        kind = kind_of_type(found)
        separator = inner = None
        if kind is Kind.TEXT and name not in labels:
            separator = text_separator(arrays[name])
        elif kind is Kind.LIST:
            inner = text_separator(pc.list_flatten(arrays[name]))
        columns[name] = ColumnProfile(name, kind, str(found), separator or "", inner or "", table.is_csv)
        if str(found).startswith(("time", "duration")) and kind is Kind.WHOLE:
            columns[name].told = "amounts"
    return columns


def _count_together(together: dict[tuple[str, str], int], labels: Mapping[str, pa.Array]) -> None:
    """Adds up the rows where one label happened and another did not."""
    happened = {name: positive(values) for name, values in labels.items()}
    for first, one in happened.items():
        for second, other in happened.items():
            if first != second and one is not None and other is not None:
                count = int(np.count_nonzero(other & ~one))
                together[first, second] = together.get((first, second), 0) + count


def positive(values: pa.Array) -> np.ndarray | None:
    """Returns which values are above 0, bool `[n]`, missing ones are not; None for texts that are no numbers."""
    if pa.types.is_string(values.type):
        try:
            values = values.cast(pa.float64())
        except pa.ArrowInvalid:
            return None
    if pa.types.is_null(values.type) or pa.types.is_nested(values.type):
        return None
    numbers = values.cast(pa.float64()) if not pa.types.is_boolean(values.type) else values.cast(pa.int8())
    return pc.fill_null(pc.greater(numbers, 0), False).to_numpy(zero_copy_only=False)


class _Sampler:
    """Keeps rows without preference: those with the smallest of random numbers."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._largest = 1.0
        self._parts: list[tuple[np.ndarray, dict[str, pa.Array]]] = []
        self._rows = 0

    def add(self, arrays: Mapping[str, pa.Array], num_rows: int) -> None:
        keys = self._random.random(num_rows)
        chosen = np.flatnonzero(keys < self._largest)
        if len(chosen):
            rows = pa.array(chosen)
            self._parts.append((keys[chosen], {name: values.take(rows) for name, values in arrays.items()}))
            self._rows += len(chosen)
        if self._rows > 2 * _SAMPLE_ROWS:
            self._thin()

    def _thin(self) -> None:
        keys = np.concatenate([keys for keys, _ in self._parts])
        if len(keys) <= _SAMPLE_ROWS:
            return
        self._largest = float(np.partition(keys, _SAMPLE_ROWS)[_SAMPLE_ROWS])
        parts = []
        for part_keys, arrays in self._parts:
            chosen = np.flatnonzero(part_keys < self._largest)
            rows = pa.array(chosen, pa.int64())
            parts.append((part_keys[chosen], {name: values.take(rows) for name, values in arrays.items()}))
        self._parts = parts
        self._rows = sum(len(part_keys) for part_keys, _ in parts)

    def table(self, names: Sequence[str]) -> pa.Table:
        self._thin()
        columns = {}
        for name in names:
            chunks = [arrays[name] for _, arrays in self._parts]
            # A batch of nulls alone, or of whole numbers beyond int64, has another type than the others.
            kinds = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
            kind = next(iter(kinds), pa.null()) if len(kinds) <= 1 else pa.string()
            columns[name] = pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
        return pa.table(columns)
