"""The framing of TFRecord files: length, checksum of the length, data, checksum of the data; little-endian.

A checksum is the CRC-32C (Castagnoli), rotated right by 15 bits, plus a constant.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from easymtl.data.csv_text import read_stream
from easymtl.data.paths import DataFile, read_open
from easymtl.errors import UserError

HEADER_BYTES, FOOTER_BYTES = 12, 4
_POLYNOMIAL, _DELTA = 0x82F63B78, 0xA282EAD8
_WINDOW = 1 << 16


def _table() -> np.ndarray:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(_POLYNOMIAL), values >> 1)
    return values.astype(np.uint32)


_TABLE = _table()
_ENTRIES = _TABLE.tolist()


def checksums(records: Sequence[bytes]) -> np.ndarray:
    """Returns the masked CRC-32C `[n]` of each record, all of them byte by byte at once."""
    lengths = np.array([len(record) for record in records], np.int64)
    order = np.argsort(-lengths, kind="stable")
    data = np.frombuffer(b"".join(records), np.uint8)
    starts = (np.cumsum(lengths) - lengths)[order]
    falling = lengths[order]
    crc = np.full(len(records), 0xFFFFFFFF, np.uint32)
    count = len(records)
    for place in range(int(falling[0]) if len(falling) else 0):
        while falling[count - 1] <= place:
            count -= 1
        part = crc[:count]
        crc[:count] = _TABLE[(part ^ data[starts[:count] + place]) & 0xFF] ^ (part >> 8)
    result = np.empty_like(crc)
    result[order] = ~crc
    return ((result >> 15) | (result << 17)) + np.uint32(_DELTA)


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
        body = read_stream(stream, length + FOOTER_BYTES, file) if length < 1 << 31 else b""
        if len(body) != length + FOOTER_BYTES:
            raise UserError(_damage(file, number, True))
        yield body[:length], struct.unpack("<I", body[length:])[0]
        done += HEADER_BYTES + length + FOOTER_BYTES
        number += 1


def groups(found: Iterable[tuple[bytes, int]], size: int) -> Iterator[list[tuple[bytes, int]]]:
    """Yields records in lists of up to `size`."""
    held: list[tuple[bytes, int]] = []
    for one in found:
        held.append(one)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


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
