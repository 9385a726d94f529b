"""One block of an encoded cache while it is written."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from easymtl.data.blocks import Block
from easymtl.data.cache_folder import NoRoom, locked_part
from easymtl.data.pieces import before_rows
from easymtl.data.rows import Rows
from easymtl.data.rows_file import RowsWriter

NUM_ROWS = "num_rows"
"""What is told with a piece: `Piece.num_rows`."""

LEFT_OUT = "left_out"
"""The column of a file that is `Piece.left_out`."""


class Cache(Protocol):
    """What a recorder asks its cache.

    Attributes:
        names: the name under which a column is kept, by its name in `Rows`, where that is another one.
        lock: held by whoever writes.
    """

    names: Mapping[str, str]
    lock: threading.RLock

    def make_room(self, num_bytes: int) -> None:
        """Sees to it that a file of so many bytes may be written, or raises an error."""

    def may_keep(self, block: Block) -> bool:
        """Returns whether a block that has been read need not be read each time."""

    def said(self) -> Mapping[str, Any]:
        """Returns what is to be told with a block that is now encoded."""

    def keep(self, recorder: "BlockRecorder") -> None:
        """Is told that a block is there."""

    def fail(self, error: Exception) -> None:
        """Is told why a block could not be written."""


class BlockRecorder:
    """Writes the record batches of a block beside its file, which appears when all of them are there.

    See `block_store.Recorder`. What is read and what is encoded may be told by different threads.

    Attributes:
        block: the block.
        path: of its file.
        num_bytes: written so far.
        is_done: whether no more will be written: the file is there, or never will be.
    """

    def __init__(self, block: Block, path: Path, cache: Cache):
        """Writes nothing yet."""
        self.block = block
        self.path = path
        self.num_bytes = 0
        self.is_done = False
        self._cache = cache
        self._read: list[tuple[int, np.ndarray]] = []
        self._num_written = 0
        self._has_rows = False
        self._is_ended = False
        self._none: Rows | None = None
        self._file: BinaryIO | None = None
        self._writer: RowsWriter | None = None

    @property
    def part(self) -> Path:
        """Returns the path of the file as long as it is not whole."""
        return self.path.with_name(f"{self.path.name}.part")

    def read(self, num_rows: int, places: np.ndarray) -> None:
        """Is told of the next record batch, see `Recorder`."""
        self._read.append((num_rows, places))

    def end(self) -> None:
        """Is told that this was the last one."""
        with self._cache.lock:
            self._is_ended = True
            if not self._cache.may_keep(self.block):
                self.give_up()
        self._guarded(self._finish)

    def encoded(self, number: int, rows: Rows, kept: np.ndarray) -> None:
        """Is given the rows of record batch `number`, see `Recorder`."""
        self._guarded(lambda: self._add(number, rows, kept))

    def give_up(self) -> None:
        """Removes what has been written, unless it is whole."""
        with self._cache.lock:
            self.is_done = True
            if self._file is not None:
                # Closed behind the removal, so that nobody else begins it in between.
                with suppress(OSError):
                    self.part.unlink()
                with suppress(OSError):
                    self._file.close()
            # Rows without any are a view of others.
            self._file = self._writer = self._none = None

    def _guarded(self, write: Callable[[], None]) -> None:
        with self._cache.lock:
            if self.is_done:
                return
            try:
                write()
            except FileNotFoundError:
                # The folder was removed meanwhile; it is made again for the next block.
                self.give_up()
            except (OSError, NoRoom) as error:
                self.give_up()
                self._cache.fail(error)

    def _add(self, number: int, rows: Rows, kept: np.ndarray) -> None:
        self._none = rows.slice(0, 0)
        self._add_empty(number)
        num_rows, places = self._read[number]
        self._has_rows |= rows.num_rows > 0
        self._write(rows, num_rows, before_rows(kept, places, num_rows))
        self._finish()

    def _add_empty(self, end: int) -> None:
        """Writes the record batches without rows that come next, up to number `end`."""
        assert self._none is not None
        for num_rows, places in self._read[self._num_written : end]:
            assert not num_rows, "record batches are encoded in their order"
            self._write(self._none, 0, places)

    def _write(self, rows: Rows, num_rows: int, left_out: np.ndarray) -> None:
        if self.is_done:
            return
        self._cache.make_room(self.num_bytes + rows.nbytes)
        if self._writer is None:
            self._file = locked_part(self.part)
            if self._file is None:
                self.is_done = True
                return
            self._writer = RowsWriter(self._file)
        columns = {self._cache.names.get(name, name): column for name, column in rows.columns.items()}
        self._writer.add(Rows({**columns, LEFT_OUT: left_out}), {NUM_ROWS: num_rows})
        self.num_bytes = self._writer.num_bytes
        self._num_written += 1

    def _finish(self) -> None:
        rest = self._read[self._num_written :]
        if not self._is_ended or self._none is None or any(num_rows for num_rows, _ in rest):
            return
        self._add_empty(len(self._read))
        if not self._has_rows:
            # Data without a row is an error that shows the first of those that were left out.
            self.give_up()
        if self._writer is None or self._file is None:
            return
        self._writer.finish(self._cache.said())
        self.num_bytes = self._writer.num_bytes
        os.replace(self.part, self.path)
        self._file.close()
        self._file = self._writer = self._none = None
        self.is_done = True
        self._cache.keep(self)
