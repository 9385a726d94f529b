"""Checkpoints that hold what has changed since a full one, and hard links to the files of that one.

So each of them is complete by itself: it can be read, copied and removed without a thought to any other, and the files
of the full one are there as long as somebody links to them. What they look like is in `stored_tensors.py`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.changed_rows import ChangedRows, ChangedRun
from easymtl.checkpoints.publishing import draft_of
from easymtl.checkpoints.shards import (
    SHARD_BYTES,
    CopiedWeights,
    OwnPart,
    Piece,
    Shard,
    WriteBeside,
    read_shards,
    write_shards,
)
from easymtl.checkpoints.stored_tensors import FULL, ROWS, VALUES, slice_text
from easymtl.checkpoints.weights import Entry

DELTA = "delta"
"""The name, in the state of a checkpoint that is one, of what it is a delta of."""

_NUMBER_BYTES = 8


@dataclass(frozen=True)
class Base:
    """The files of a full checkpoint, in its own folder or in that of a delta.

    Attributes:
        folder: where they are.
        files: size and CRC-32 of each, by its name in a full checkpoint.
    """

    folder: Path
    files: Mapping[str, list[int]]

    @classmethod
    def of(cls, folder: Path, state: Mapping[str, Any]) -> "Base":
        """Returns the full files that a checkpoint has, given its folder and state."""
        files: Mapping[str, list[int]] = state.get("files", {})
        if DELTA in state:
            folder, files = folder / FULL, {name.partition("/")[2]: of for name, of in files.items() if "/" in name}
        return cls(folder, {name: of for name, of in files.items() if name.startswith("weights.")})

    def why_not_linked(self, beside: Path) -> str:
        """Returns why the files cannot be linked to; empty if they can.

        Args:
            beside: where a checkpoint would be: something is written there, and removed.
        """
        trial = draft_of(beside.with_name(f"link-{beside.name}"))
        try:
            for name in self.files:
                trial.unlink(missing_ok=True)
                os.link(self.folder / name, trial)
            trial.unlink(missing_ok=True)
        except OSError as error:
            return f"{error.strerror or error}"
        return "" if self.files else "it does not say which files it has"

    def link(self, folder: Path) -> dict[str, list[int]]:
        """Links to the files from the folder of a delta, and returns size and CRC-32 of each by its name there.

        Raises:
            OSError: that is not possible.
        """
        (folder / FULL).mkdir()
        for name in self.files:
            os.link(self.folder / name, folder / FULL / name)
        return {f"{FULL}/{name}": list(of) for name, of in self.files.items()}


@dataclass(frozen=True)
class _Rows:
    """Some rows of a table, or of a slot of it, that have changed.

    Attributes:
        entry: the table or slot.
        changed: all its rows that have changed.
        run: those of them that are meant.
    """

    entry: Entry
    changed: ChangedRows
    run: ChangedRun

    @property
    def name(self) -> str:
        """Returns the name of the tensor."""
        return VALUES + self.entry.name

    @property
    def num_bytes(self) -> int:
        """Returns its bytes."""
        return self._row_bytes * self.run.num_rows

    @property
    def slice_text(self) -> str:
        """Returns which rows of the tensor it is; empty for all."""
        return _slice_text((self.changed.num_all, *self.entry.shape[1:]), self.run)

    def read(self) -> tf.Tensor:
        """Returns the rows as they are now."""
        places = self.changed.places[self.run.place : self.run.place + self.run.num_rows]
        return tf.gather(self.entry.variable, self.entry.parameter.begin + places)

    def pieces(self, most_bytes: int) -> Iterator["_Rows"]:
        """Yields itself in parts of at most so many bytes, or of one row."""
        step, run = max(most_bytes // self._row_bytes, 1), self.run
        for begin in range(0, max(run.num_rows, 1), step):
            part = ChangedRun(run.place + begin, run.begin + begin, min(step, run.num_rows - begin))
            yield replace(self, run=part)

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.entry.shape[1:], dtype=np.int64)) * self.entry.variable.dtype.size


@dataclass(frozen=True)
class _Numbers:
    """Which rows of a table have changed: some of them."""

    table: str
    changed: ChangedRows
    run: ChangedRun

    @property
    def name(self) -> str:
        """Returns the name of the tensor."""
        return ROWS + self.table

    @property
    def num_bytes(self) -> int:
        """Returns its bytes."""
        return _NUMBER_BYTES * self.run.num_rows

    @property
    def slice_text(self) -> str:
        """Returns which rows of the tensor it is; empty for all."""
        return _slice_text((self.changed.num_all,), self.run)

    def read(self) -> tf.Tensor:
        """Returns the numbers."""
        numbers = self.changed.numbers[self.run.place : self.run.place + self.run.num_rows]
        return tf.constant(numbers, tf.int64)


def _slice_text(shape: tuple[int, ...], run: ChangedRun) -> str:
    return slice_text(shape, run.begin, None if run.num_rows == shape[0] else run.num_rows)


class DeltaWeights:
    """Weights that are written as what has changed since a full checkpoint; see `Copiable`."""

    def __init__(
        self,
        entries: Iterable[Entry],
        changed: Mapping[str, ChangedRows],
        base: Base,
        check: Callable[[Path], None],
        write_ids: WriteBeside = lambda folder: {},
    ):
        """Reads nothing yet.

        Args:
            entries: what a full checkpoint holds.
            changed: of each table of which rows are written, those that have changed.
            base: the full checkpoint.
            check: see `Writable`.
            write_ids: writes the ids of growing tables, see `Weights.writes_beside`.
        """
        self._write_ids = write_ids
        self._entries, self._changed, self._base, self._check = list(entries), changed, base, check

    def write(self, folder: Path) -> dict[str, list[int]]:
        """Writes them as they are now, see `Writable`."""
        known = self.writes_beside()(folder)
        write_shards(folder, self._shards())
        return known

    def copied(self) -> CopiedWeights:
        """Returns a copy of what is to be written."""
        return CopiedWeights(self._shards(), self._check, self.writes_beside())

    def own_part(self, index: int, is_copied: bool) -> OwnPart:
        """Returns what a worker writes where all do, see `Copiable`."""
        entries = [entry for entry in self._entries if entry.is_dealt_out or not index]
        return OwnPart(index, self._shards(entries), is_copied, self._write_ids if index else None)

    def writes_beside(self) -> WriteBeside:
        """Returns what links to the full files, and writes the ids of growing tables, see `Copiable`."""
        return lambda folder: self._base.link(folder) | self._write_ids(folder)

    def check(self, folder: Path) -> None:
        """Compares names and shapes in a folder with those of the model; reads no weights."""
        self._check(folder)

    def _shards(self, entries: Iterable[Entry] | None = None) -> Iterator[Shard]:
        return read_shards(self._pieces(self._entries if entries is None else entries), SHARD_BYTES)

    def _pieces(self, entries: Iterable[Entry]) -> Iterator[Piece]:
        for table, changed in self._changed.items():
            for run in changed.runs:
                yield _Numbers(table, changed, run)
        for entry in entries:
            rows = self._changed.get(entry.parameter.name)
            if rows is None:
                yield from entry.pieces()
                continue
            for run in rows.runs:
                yield from _Rows(entry, rows, run).pieces(SHARD_BYTES)
