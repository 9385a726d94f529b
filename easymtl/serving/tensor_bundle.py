"""Where the values of variables lie in the files of a SavedModel, so that rows are read without loading a table.

`variables.index` is a table of TensorFlow's own (that of LevelDB, uncompressed): blocks of keys and values in the order
of the keys, in which a key holds only what differs from the one before. The value of a variable's name says its type,
its shape, and where in `variables.data-...` its bytes are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from easymtl.errors import UserError

INDEX = "variables/variables.index"

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
# Behind each block: how it is compressed, and a checksum.
_TRAILER = 5


@dataclass(frozen=True)
class Stored:
    """The bytes of a variable in a file.

    Attributes:
        dtype: name of its type, as TensorFlow calls it.
        shape: its shape.
        file: the file.
        offset: of its first byte there.
        size: how many bytes.
        checksum: of these, as TensorFlow checks it when it loads the model.
    """

    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    size: int
    checksum: int

    @property
    def num_rows(self) -> int:
        """Returns the length of its first axis; what has none, or texts, is one row."""
        return self.shape[0] if self.shape and self.dtype != "string" else 1

    def rows(self, mode: str = "r") -> np.ndarray:
        """Returns its rows `[rows, bytes of a row]` uint8, which are read, or with mode `r+` written, when used."""
        if not self.size:
            return np.zeros([self.num_rows, 0], np.uint8)
        shape = (self.num_rows, self.size // self.num_rows)
        return np.memmap(self.file, np.uint8, mode, self.offset, shape)  # type: ignore[call-overload]


def stored_variables(folder: Path) -> dict[str, Stored]:
    """Returns the variables of a SavedModel by name, in the order of their places.

    Raises:
        UserError: its index cannot be read.
    """
    path = folder / INDEX
    try:
        (_, first), *entries = _table(path.read_bytes())
        header = tensor_bundle_pb2.BundleHeaderProto.FromString(first)
        found = {key.decode(): tensor_bundle_pb2.BundleEntryProto.FromString(value) for key, value in entries}
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None
    except (ValueError, IndexError, DecodeError):
        raise UserError(f"{path}: is no index of variables, or a damaged one.") from None
    if any(entry.slices for entry in found.values()):
        raise UserError(f"{path}: its variables are stored in slices, which easymtl export does not do.")

    def stored(entry) -> Stored:
        file = folder / "variables" / f"variables.data-{entry.shard_id:05d}-of-{header.num_shards:05d}"
        shape = tuple(dim.size for dim in entry.shape.dim)
        return Stored(tf.as_dtype(entry.dtype).name, shape, file, entry.offset, entry.size, entry.crc32c)

    ordered = sorted(found, key=lambda name: (found[name].shard_id, found[name].offset))
    return {name: stored(found[name]) for name in ordered}


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a table.

    Raises:
        ValueError: it is none, or compressed.
        IndexError: it is cut off.
    """
    footer = data[-_FOOTER:]
    if not footer.endswith(_MAGIC):
        raise ValueError("no table")
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    for _, value in _block(data, *index):
        block, _ = _handle(value, 0)
        yield from _block(data, *block)


def _block(data: bytes, begin: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    end = begin + size
    if end + _TRAILER > len(data) or data[end]:
        raise ValueError("cut off, or compressed")
    num_restarts = int.from_bytes(data[end - 4 : end], "little")
    place, last, key = begin, end - 4 * (num_restarts + 1), b""
    while place < last:
        shared, place = _number(data, place)
        length, place = _number(data, place)
        num_bytes, place = _number(data, place)
        key = key[:shared] + data[place : place + length]
        place += length + num_bytes
        yield key, data[place - num_bytes : place]


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Returns where a block begins and its size, and the place behind that."""
    begin, place = _number(data, place)
    size, place = _number(data, place)
    return (begin, size), place


def _number(data: bytes, place: int) -> tuple[int, int]:
    """Returns a number of 7 bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
