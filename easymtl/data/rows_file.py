"""Encoded rows in a file that is written once and mapped into memory by whoever reads it.

A file holds pieces, the rows of a record batch each: the arrays of their columns as they lie in memory, each at a
multiple of 64 bytes. Behind them stand a directory in JSON, its length, its checksum and the magic bytes. The checksum
of a piece is held against its bytes when the file is opened: they are summed up as 64-bit numbers, page by page, which
takes hardly longer than to touch the pages for the first time.
"""

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from easymtl.data.rows import Column, Ragged, Rows

FORMAT = 1
"""The version of the form of the files."""

_MAGIC = b"EASYROWS"
_TAIL = struct.Struct("<QI8s")
_ALIGNMENT = 64
_PAGE_NUMBERS = 512
_ARRAY, _RAGGED, _ARROW, _TEXTS = "array", "ragged", "arrow", "texts"


class DamagedFile(Exception):
    """A file that is not as it was written; the text says what is wrong."""


class RowsWriter:
    """Writes pieces into a new file, which is none before it is finished.

    Attributes:
        num_bytes: written so far.
    """

    def __init__(self, file: BinaryIO):
        self.num_bytes = 0
        self._file = file
        self._pieces: list[dict[str, Any]] = []

    def add(self, rows: Rows, said: Mapping[str, Any]) -> None:
        """Writes a piece.

        Args:
            rows: the rows.
            said: what is to be told with them, as JSON can hold it.

        Raises:
            OSError: the file cannot be written.
        """
        held = _Arrays()
        columns = {name: held.add(column) for name, column in rows.columns.items()}
        held.align()
        place = {"begin": self.num_bytes, "size": len(held.data), "checksum": _checksum(held.data)}
        self._pieces.append({**place, "columns": columns, "said": dict(said)})
        self._write(held.data)

    def finish(self, said: Mapping[str, Any]) -> None:
        """Writes the directory, with what is to be told with the file.

        Raises:
            OSError: the file cannot be written.
        """
        text = json.dumps({"format": FORMAT, "pieces": self._pieces, "said": dict(said)}).encode()
        self._write(text + _TAIL.pack(len(text), zlib.crc32(text), _MAGIC))
        self._file.flush()

    def _write(self, data: bytes | bytearray) -> None:
        self._file.write(data)
        self.num_bytes += len(data)


def read_rows(file: BinaryIO) -> tuple[list[tuple[Rows, dict[str, Any]]], dict[str, Any]]:
    """Returns the pieces of a file, each with what is told with it, and what is told with the file.

    Numbers are not copied: their arrays are read-only, and keep the file mapped until the last of them is gone.

    Raises:
        DamagedFile: it is not as it was written.
        OSError: it cannot be read.
    """
    try:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise DamagedFile("it is empty") from None
    directory = _directory(mapped)
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_WILLNEED)
    pieces = []
    for piece in directory["pieces"]:
        data = memoryview(mapped)[piece["begin"] : piece["begin"] + piece["size"]]
        if len(data) != piece["size"] or _checksum(data) != piece["checksum"]:
            raise DamagedFile(f"the bytes from {piece['begin']:,} on do not fit their checksum")
        columns = {name: _read(data, column) for name, column in piece["columns"].items()}
        pieces.append((Rows(columns), piece["said"]))
    return pieces, directory["said"]


def _directory(mapped: mmap.mmap) -> dict[str, Any]:
    end = len(mapped) - _TAIL.size
    if end < 0:
        raise DamagedFile("it is cut short")
    length, checksum, magic = _TAIL.unpack(mapped[end:])
    text = mapped[max(end - length, 0) : end]
    if magic != _MAGIC or length > end:
        raise DamagedFile("it is cut short")
    if zlib.crc32(text) != checksum:
        raise DamagedFile("its directory does not fit its checksum")
    directory: dict[str, Any] = json.loads(text)
    if directory["format"] != FORMAT:
        raise DamagedFile(f"it is of format {directory['format']}, and {FORMAT} is read")
    return directory


class _Arrays:
    """Arrays one behind the other.

    Attributes:
        data: their bytes.
    """

    def __init__(self) -> None:
        self.data = bytearray()

    def add(self, column: Column) -> dict[str, Any]:
        """Adds a column and returns how to read it."""
        if isinstance(column, Ragged):
            weights = None if column.weights is None else self.add(column.weights)
            parts = {"values": self.add(column.values), "lengths": self.add(column.lengths), "weights": weights}
            return {"kind": _RAGGED, **parts}
        if isinstance(column, pa.Array):
            return {"kind": _ARROW, "stream": self._add(_stream_of(column))}
        if column.dtype == object:
            stream = _stream_of(pa.array(column.reshape(-1), pa.large_binary()))
            return {"kind": _TEXTS, "shape": list(column.shape), "stream": self._add(stream)}
        return self._add(column)

    def align(self) -> None:
        """Fills up to where the next array may begin."""
        self.data += bytes(-len(self.data) % _ALIGNMENT)

    def _add(self, array: np.ndarray) -> dict[str, Any]:
        self.align()
        begin = len(self.data)
        self.data += np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        return {"kind": _ARRAY, "type": array.dtype.str, "shape": list(array.shape), "begin": begin}


def _read(data: memoryview, column: Mapping[str, Any]) -> Any:
    if column["kind"] == _RAGGED:
        weights = None if column["weights"] is None else _read(data, column["weights"])
        return Ragged(_read(data, column["values"]), _read(data, column["lengths"]), weights)
    if column["kind"] == _ARROW:
        return _of_stream(_read(data, column["stream"]))
    if column["kind"] == _TEXTS:
        texts = _of_stream(_read(data, column["stream"])).to_numpy(zero_copy_only=False)
        return texts.reshape(column["shape"])
    count = int(np.prod(column["shape"], dtype=np.int64))
    if not count:
        return np.empty(column["shape"], column["type"])
    return np.frombuffer(data, column["type"], count, column["begin"]).reshape(column["shape"])


def _stream_of(array: pa.Array) -> np.ndarray:
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([array], ["column"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return np.frombuffer(sink.getvalue(), np.uint8)


def _of_stream(data: np.ndarray) -> pa.Array:
    with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
        return reader.read_next_batch().column(0)


def _checksum(data: bytes | bytearray | memoryview) -> int:
    """Returns the checksum of bytes, a multiple of 8."""
    numbers = np.frombuffer(data, np.uint64)
    whole = len(numbers) - len(numbers) % _PAGE_NUMBERS
    sums = numbers[:whole].reshape(-1, _PAGE_NUMBERS).sum(axis=1)
    return zlib.crc32(np.append(sums, numbers[whole:].sum()).tobytes())
