"""The index of tensors in files of TensorFlow, which says where the bytes of each of them are: read, and written.

It is a table of TensorFlow's own (that of LevelDB, uncompressed): blocks of keys and values in the order of the keys,
in which a key holds only what differs from the one before. A tensor whose rows were saved apart has an entry that names
its slices, and one for each of them under a key that sorts by name and place.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import tensor_bundle_pb2

from easymtl.checkpoints.crc32c import crc32c, masked

Entry: TypeAlias = Any
"""Of a tensor: a `BundleEntryProto`."""
Header: TypeAlias = Any
"""Of the files: a `BundleHeaderProto`."""

INDEX_ERRORS = (ValueError, IndexError, DecodeError)
"""What `read_index` raises, beside OSError, where a file is no index or a damaged one."""

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
# Behind each block: how it is compressed, and a checksum.
_TRAILER = 5
_RESTART = 16


def read_index(path: Path) -> tuple[Header, dict[bytes, Entry]]:
    """Returns the header and the entries by key, in the order of the keys.

    Raises:
        OSError: it cannot be read.
        ValueError, IndexError, DecodeError: it is none, or cut off.
    """
    (_, first), *entries = _table(path.read_bytes())
    header = tensor_bundle_pb2.BundleHeaderProto.FromString(first)
    return header, {key: tensor_bundle_pb2.BundleEntryProto.FromString(value) for key, value in entries}


def write_index(path: Path, header: Header, entries: Mapping[bytes, Entry]) -> None:
    """Writes an index.

    Raises:
        OSError: it could not be written.
    """
    items = [(b"", header.SerializeToString()), *((key, entries[key].SerializeToString()) for key in sorted(entries))]
    content, handle = _with_block(b"", items)
    content, of_nothing = _with_block(content, [])
    content, of_index = _with_block(content, [(items[-1][0], handle)])
    path.write_bytes(content + (of_nothing + of_index).ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC)


def data_file(prefix: Path, header: Header, shard: int) -> Path:
    """Returns one of the files that have the bytes of the tensors behind a prefix."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{header.num_shards:05d}")


def key_of_slice(name: str, extents: list[tuple[int, int]]) -> bytes:
    """Returns the key of a slice of a tensor.

    Args:
        name: of the tensor.
        extents: of each axis the first place and their number, -1 for all.
    """
    escaped = name.encode().replace(b"\xff", b"\xff\x00").replace(b"\x00", b"\x00\xff")
    parts = [_ordered(0), escaped + b"\x00\x01", _ordered(len(extents))]
    return b"".join([*parts, *(_ordered_signed(number) for extent in extents for number in extent)])


def _ordered(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _ordered_signed(number: int) -> bytes:
    """Returns bytes that sort as whole numbers below 2^55 do: they begin with a one for each of them."""
    magnitude = ~number if number < 0 else number
    length = magnitude.bit_length() // 7 + 1
    digits = number.to_bytes(length, "big", signed=True)
    return bytes([digits[0] ^ (0xFF00 >> length & 0xFF)]) + digits[1:]


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


def _with_block(content: bytes, items: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Returns content with a block of keys and values behind it, and what says where that is."""
    block, restarts, before = bytearray(), [0], b""
    for number, (key, value) in enumerate(items):
        shared = 0
        if number % _RESTART:
            while shared < min(len(before), len(key)) and before[shared] == key[shared]:
                shared += 1
        elif number:
            restarts.append(len(block))
        block += b"".join(map(_digits, (shared, len(key) - shared, len(value)))) + key[shared:] + value
        before = key
    block += b"".join(number.to_bytes(4, "little") for number in [*restarts, len(restarts)])
    checked = bytes(block) + b"\0"
    handle = _digits(len(content)) + _digits(len(block))
    return content + checked + masked(crc32c(checked)).to_bytes(4, "little"), handle


def _digits(number: int) -> bytes:
    """Returns a number as 7 bits a byte."""
    found = bytearray()
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
