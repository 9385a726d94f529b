"""What tells the files of a training from others: a position in some means nothing in others."""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

import pyarrow as pa

from easymtl.data.partitions import partition_texts
from easymtl.data.paths import DataFile, read_open
from easymtl.errors import quoted

_END_BYTES = 64 << 10
"""Read of the head and of the tail of each file; a file of twice that is read whole."""
_MOST_FOOTER_BYTES = 16 << 20
_REMOTE_THREADS = 16
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class FileMark:
    """One file of data, wherever it lies and whenever it was written.

    Attributes:
        name: without its folders, but for those that are columns.
        size: bytes; of a table in memory its rows.
        digest: of its first and last 64 KiB, and of the footer of a Parquet file, which holds the place, the size and
            the statistics of each column: BLAKE2b, 16 bytes, hexadecimal. Of a table in memory that of all its values.
    """

    name: str
    size: int
    digest: str


def fingerprint(files: Sequence[DataFile], columns: Collection[str] = ()) -> list[FileMark]:
    """Returns the marks of files, in their order; a file that is read twice has two.

    Args:
        files: what is read.
        columns: the declared columns; a folder that is one of them, such as `dt=2026-01-01`, is part of a file's name.

    It reads 128 KiB of each and the footer of a Parquet file (16 MiB of it at most), so that its time does not depend
    on the size of the data; files on a server are asked for 16 at a time.

    Raises:
        UserError: a file is gone or cannot be read.
    """
    distinct = list(dict.fromkeys(files))
    threads = _REMOTE_THREADS if any(file.is_remote for file in distinct) else 1
    with ThreadPoolExecutor(threads, "easymtl-fingerprint") as pool:
        marks = dict(zip(distinct, pool.map(partial(_mark, columns=columns), distinct)))
    return [marks[file] for file in files]


def describe_changes(before: Sequence[FileMark], now: Sequence[FileMark]) -> str:
    """Returns in which way files are others than before, such as `1 added ("day2.parquet")`; empty if they are not."""
    if list(before) == list(now):
        return ""
    gone, new = Counter(before) - Counter(now), Counter(now) - Counter(before)
    changed = sorted({mark.name for mark in gone} & {mark.name for mark in new})
    parts = {
        "changed": changed,
        "added": [mark.name for mark in new.elements() if mark.name not in changed],
        "missing": [mark.name for mark in gone.elements() if mark.name not in changed],
    }
    found = [f"{len(names):,} {kind} ({quoted(names, limit=3)})" for kind, names in parts.items() if names]
    return ", ".join(found) or "the same files in another order"


def _mark(file: DataFile, columns: Collection[str]) -> FileMark:
    if file.held:
        return FileMark(file.held.name, file.held.table.num_rows, file.held.digest)
    with file.open() as opened:
        size = opened.size()
        digest = hashlib.blake2b(digest_size=16)
        if size <= 2 * _END_BYTES:
            digest.update(read_open(opened, 0, size, file))
        else:
            head = read_open(opened, 0, _END_BYTES, file)
            tail = read_open(opened, size - _END_BYTES, _END_BYTES, file)
            digest.update(head + tail + _footer(opened, size, tail, file))
    folders = [f"{name}={text}/" for name, text in partition_texts(file).items() if name in columns]
    return FileMark("".join(folders) + PurePosixPath(file.path).name, size, digest.hexdigest())


def _footer(opened: pa.NativeFile, size: int, tail: bytes, file: DataFile) -> bytes:
    """Returns what of the footer of a Parquet file lies before the tail."""
    if tail[-4:] != _PARQUET:
        return b""
    length = int.from_bytes(tail[-8:-4], "little") + 8
    begin = max(size - length, 0)
    return read_open(opened, begin, min(max(size - len(tail) - begin, 0), _MOST_FOOTER_BYTES), file)
