"""Rows of tables in the folder of a checkpoint, read where they lie: no more than what is asked for is in memory."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.checkpoints.bundle_index import INDEX_ERRORS, Entry, Header, data_file, key_of_slice, read_index
from easymtl.checkpoints.saved_averages import STATE, caught_up
from easymtl.checkpoints.shards import prefix_of
from easymtl.checkpoints.slots import AVERAGE, UPDATED_AT
from easymtl.checkpoints.stored_tensors import FULL, VALUES, StoredTensors
from easymtl.errors import UserError

_GAP_BYTES = 1 << 14
"""Rows that are no further apart are read at once."""


class StoredRows:
    """The rows of the tables in the folder of a checkpoint, as of its step.

    What a delta has changed is so, and moving averages are brought up to the step. Files are not checked: see
    `Checkpoint.check`.
    """

    def __init__(self, folder: Path, state: Mapping[str, Any]):
        """Opens the files.

        Args:
            folder: of the checkpoint.
            state: of the checkpoint.

        Raises:
            UserError: they cannot be opened.
        """
        self._tensors = StoredTensors(folder)
        self._state = state
        self._own = _Files(folder, folder)
        self._full = _Files(folder / FULL, folder) if (folder / FULL).is_dir() else None

    def has_average(self, name: str) -> bool:
        """Returns whether the checkpoint has moving averages of a table."""
        shapes = self._tensors.shapes
        return bool(self._state.get(STATE)) and shapes.get(f"{name}/{AVERAGE}") == shapes[name]

    def read(self, name: str, rows: np.ndarray, is_averaged: bool = False) -> np.ndarray:
        """Returns rows of a table, float32 `[n, width]`.

        Args:
            name: of the table.
            rows: int64 `[n]`, ascending, each once.
            is_averaged: whether their moving averages are wanted.

        Raises:
            UserError: they cannot be read.
        """
        values = self._stored(name, rows)
        if not is_averaged:
            return values
        averages = self._stored(f"{name}/{AVERAGE}", rows)
        if f"{name}/{UPDATED_AT}" not in self._tensors.shapes:
            return averages
        num_updates = int(self._state["step"]) - self._stored(f"{name}/{UPDATED_AT}", rows)
        decay = self._state[STATE]["embedding"]
        return caught_up(tf.constant(averages), tf.constant(values), tf.constant(num_updates), decay).numpy()

    def _stored(self, name: str, rows: np.ndarray) -> np.ndarray:
        if self._full is None or self._own.has(name):
            return self._own.read(name, rows)
        found = self._full.read(name, rows)
        table = name if self._tensors.changed_rows(name) is not None else name.rpartition("/")[0]
        changed = self._tensors.changed_rows(table)
        if changed is None or not len(changed):
            return found
        places = np.minimum(np.searchsorted(changed, rows), len(changed) - 1)
        is_changed = changed[places] == rows
        if is_changed.any():
            found[is_changed] = self._own.read(VALUES + name, places[is_changed])
        return found


@dataclass(frozen=True)
class _Run:
    """Rows of a tensor that lie in a file one behind the other.

    Attributes:
        begin: the first row.
        num_rows: how many.
        file: where they lie.
        offset: of the first byte.
    """

    begin: int
    num_rows: int
    file: Path
    offset: int


class _Files:
    """The files that TensorFlow has written into a folder."""

    def __init__(self, folder: Path, shown: Path):
        self._shown = shown
        self._prefix = Path(prefix_of(folder))
        self._runs: dict[str, list[_Run]] = {}
        try:
            self._header, self._entries = read_index(self._prefix.with_suffix(".index"))
        except OSError as error:
            raise UserError(f"{shown}: the weights cannot be read: {error.strerror}.") from None
        except INDEX_ERRORS:
            raise UserError(f"{shown}: the weights cannot be read: their index is damaged.") from None

    def has(self, name: str) -> bool:
        """Returns whether there is a tensor of a name."""
        return name.encode() in self._entries

    def read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Returns rows of a tensor, given in ascending order."""
        entry = self._entries[name.encode()]
        shape = [dim.size for dim in entry.shape.dim[1:]]
        dtype = tf.as_dtype(entry.dtype).as_numpy_dtype
        found = np.empty([len(rows), *shape], dtype)
        row_bytes = found.itemsize * int(np.prod(shape, dtype=np.int64))
        num_read = 0
        for run in self._runs_of(name, entry):
            first, end = np.searchsorted(rows, [run.begin, run.begin + run.num_rows])
            if first == end:
                continue
            num_read += end - first
            for part in _near(rows[first:end], max(_GAP_BYTES // max(row_bytes, 1), 1)):
                own = rows[first:end][part] - run.begin
                read = self._bytes(
                    run.file, run.offset + int(own[0]) * row_bytes, int(own[-1] - own[0] + 1) * row_bytes
                )
                values = np.frombuffer(read, dtype).reshape(-1, *shape)
                found[first:end][part] = values[own - own[0]]
        if num_read != len(rows):
            raise UserError(f"{self._shown}: rows of {name} are missing in its weights: it is damaged.")
        return found

    def _bytes(self, file: Path, offset: int, size: int) -> bytes:
        try:
            with open(file, "rb", buffering=0) as opened:
                parts = []
                while size:
                    part = os.pread(opened.fileno(), size, offset)
                    if not part:
                        raise OSError(None, "it ends too early")
                    parts.append(part)
                    size, offset = size - len(part), offset + len(part)
                return parts[0] if len(parts) == 1 else b"".join(parts)
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}.") from None

    def _runs_of(self, name: str, entry: Entry) -> list[_Run]:
        """Returns where the rows of a tensor lie."""
        if name not in self._runs:
            self._runs[name] = sorted(self._found_runs(name, entry), key=lambda run: run.begin)
        return self._runs[name]

    def _found_runs(self, name: str, entry: Entry) -> Iterator[_Run]:
        header: Header = self._header
        if not entry.slices:
            yield _Run(0, entry.shape.dim[0].size, data_file(self._prefix, header, entry.shard_id), entry.offset)
            return
        for one in entry.slices:
            extents = [(part.start, part.length if part.HasField("length") else -1) for part in one.extent]
            own = self._entries[key_of_slice(name, extents)]
            begin, num_rows = extents[0]
            num_rows = entry.shape.dim[0].size if num_rows < 0 else num_rows
            yield _Run(begin, num_rows, data_file(self._prefix, header, own.shard_id), own.offset)


def _near(rows: np.ndarray, gap: int) -> Iterator[slice]:
    """Yields ascending rows in parts that are read at once."""
    ends = np.flatnonzero(np.diff(rows) > gap) + 1
    for begin, end in zip([0, *ends], [*ends, len(rows)]):
        yield slice(int(begin), int(end))
