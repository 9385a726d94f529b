"""The framing of TFRecord files: length, checksum of the length, data, checksum of the data; little-endian.

A checksum is the CRC-32C (Castagnoli), rotated right by 15 bits, plus a constant.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from easymtl.data.csv_text import read_stream
from easymtl.data.paths import DataFile, read_open
from easymtl.errors import UserError

HEADER_BYTES, FOOTER_BYTES = 12, 4
_POLYNOMIAL, _DELTA = 0x82F63B78, 0xA282EAD8
MOST_RECORD_BYTES = 64 << 20
"""Of one record, and about of those that are read at once: a gzip file of some kilobytes may say gigabytes."""
_WINDOW = 1 << 16
_PIECE = 1024


def _table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(_POLYNOMIAL), values >> 1)
    return values.astype(np.uint32)


_TABLE = _table()
_ENTRIES = _TABLE.tolist()


def checksums(records: Sequence[bytes]) -> np.ndarray:
    """Returns the masked CRC-32C `[n]` of each record.

    All of them go byte by byte at once, and so do the pieces of long ones: as the CRC is linear, that of a record is
    the sum of those of its pieces, each moved by as many bytes as follow it. The first piece may be a short one.
    """
    lengths = np.array([len(record) for record in records], np.int64)
    ends = np.cumsum(lengths)
    num_later = np.maximum(lengths - 1, 0) // _PIECE
    first_lengths = lengths - num_later * _PIECE
    data = np.frombuffer(b"".join(records), np.uint8)
    crc = _states(data, ends - lengths, first_lengths, 0xFFFFFFFF)
    long = np.argsort(-num_later, kind="stable")[: np.count_nonzero(num_later)]
    owner = np.repeat(long, num_later[long])
    firsts = np.cumsum(num_later[long]) - num_later[long]
    place = np.arange(len(owner)) - np.repeat(firsts, num_later[long])
    starts = (ends - num_later * _PIECE)[owner] + place * _PIECE
    pieces = _states(data, starts, np.full(len(owner), _PIECE), 0)
    for step in range(int(num_later.max(initial=0))):
        still = long[: np.count_nonzero(num_later[long] > step)]
        crc[still] = _moved(crc[still]) ^ pieces[firsts[: len(still)] + step]
    result = ~crc
    return ((result >> 15) | (result << 17)) + np.uint32(_DELTA)


def _states(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, state: int) -> np.ndarray:
    """Returns what a state becomes with the bytes of each piece, `[n]` uint32."""
    order = np.argsort(-lengths, kind="stable")
    starts, falling = starts[order], lengths[order]
    crc = np.full(len(order), state, np.uint32)
    count = len(order)
    for place in range(int(falling[0]) if len(falling) else 0):
        while falling[count - 1] <= place:
            count -= 1
        part = crc[:count]
        crc[:count] = _TABLE[(part ^ data[starts[:count] + place]) & 0xFF] ^ (part >> 8)
    result = np.empty_like(crc)
    result[order] = crc
    return result


def _moved(states: np.ndarray) -> np.ndarray:
    """Returns what states `[n]` become with a piece of zeros."""
    table = _moves()
    return (
        table[0][states & 0xFF] ^ table[1][states >> 8 & 0xFF] ^ table[2][states >> 16 & 0xFF] ^ table[3][states >> 24]
    )


@cache
def _moves() -> np.ndarray:
    """Returns what each byte at each place of a state becomes, `[4, 256]`."""
    states = np.arange(256, dtype=np.uint32) << (np.uint32(8) * np.arange(4, dtype=np.uint32)[:, None])
    for _ in range(_PIECE):
        states = _TABLE[states & 0xFF] ^ (states >> 8)
    return states


def is_header(header: bytes) -> bool:
    """Returns whether twelve bytes are a length and its checksum."""
    if len(header) < HEADER_BYTES:
        return False
    crc = 0xFFFFFFFF
    for byte in header[:8]:
        crc = _ENTRIES[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    masked = (((crc >> 15) | (crc << 17)) + _DELTA) & 0xFFFFFFFF
    return masked == struct.unpack("<I", header[8:])[0]


def borders(file: DataFile, block_bytes: int) -> list[int]:
    """Returns where the blocks of a plain file start, and its end: each at a record, `block_bytes` apart or more."""
    starts = [0]
    with file.open() as opened:
        while starts[-1] + block_bytes < file.size:
            start = _next_record(opened, starts[-1] + block_bytes, file)
            if start >= file.size:
                break
            starts.append(start)
    return [*starts, file.size]


def _next_record(opened: pa.NativeFile, start: int, file: DataFile) -> int:
    """Returns the first place from `start` on where a record begins that another one or the end follows."""
    while start < file.size:
        window = read_open(opened, start, _WINDOW + HEADER_BYTES, file)
        count = len(window) - HEADER_BYTES + 1
        if count <= 0:
            break
        expected = checksums([window[place : place + 8] for place in range(count)])
        stored = np.frombuffer(b"".join(window[8 + place : 12 + place] for place in range(count)), "<u4")
        for place in np.flatnonzero(expected == stored).tolist():
            length = struct.unpack_from("<Q", window, place)[0]
            after = start + place + HEADER_BYTES + length + FOOTER_BYTES
            if after == file.size or (after < file.size and is_header(read_open(opened, after, HEADER_BYTES, file))):
                return start + place
        start += count
    return file.size


def frames(stream: pa.NativeFile, file: DataFile, size: int | None = None) -> Iterator[tuple[bytes, int]]:
    """Yields each record and the checksum that is stored with it.

    Args:
        stream: stands at a record.
        file: the file, for messages.
        size: the bytes to read; None for all.

    Raises:
        UserError: the framing is damaged, or the file is cut short.
    """
    done, number = 0, 0
    while size is None or done < size:
        header = read_stream(stream, HEADER_BYTES, file)
        if not header and size is None:
            return
        if not is_header(header):
            raise UserError(_damage(file, number, bool(done)))
        (length,) = struct.unpack("<Q", header[:8])
        if length > MOST_RECORD_BYTES:
            raise UserError(_too_large(file, number, length))
        body = read_stream(stream, length + FOOTER_BYTES, file)
        if len(body) != length + FOOTER_BYTES:
            raise UserError(_damage(file, number, True))
        yield body[:length], struct.unpack("<I", body[length:])[0]
        done += HEADER_BYTES + length + FOOTER_BYTES
        number += 1


def groups(found: Iterable[tuple[bytes, int]], size: int) -> Iterator[list[tuple[bytes, int]]]:
    """Yields records in lists of up to `size`, fewer where they are large."""
    held: list[tuple[bytes, int]] = []
    num_bytes = 0
    for one in found:
        held.append(one)
        num_bytes += len(one[0])
        if len(held) == size or num_bytes >= MOST_RECORD_BYTES:
            yield held
            held, num_bytes = [], 0
    if held:
        yield held


def _too_large(file: DataFile, number: int, length: int) -> str:
    return (
        f"{file.name}: the TFRecord file says that a record behind {number} of a block has {length:,} bytes; a row of "
        f"data has at most {MOST_RECORD_BYTES:,}. Where it is not damaged, write smaller rows."
    )


def _damage(file: DataFile, number: int, has_begun: bool) -> str:
    if not has_begun:
        return (
            f"{file.name}: this is no TFRecord file, plain or gzip: it does not begin with a record. "
            "Set data_config.input_type to what it is, such as CSVInput or ParquetInput."
        )
    return (
        f"{file.name}: the TFRecord file is cut short or damaged behind {number} records of a block. "
        "Write it again, or take it out of the input path."
    )
