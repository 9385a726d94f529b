"""What tells the files of a source from others, more strictly than a position in them needs it."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from easymtl.data.blocks import Source
from easymtl.data.fingerprint import fingerprint
from easymtl.data.paths import DataFile

_REMOTE_THREADS = 16


def file_digests(source: Source) -> dict[DataFile, str]:
    """Returns a digest of each file of a source: of its fingerprint, and of when it was last written.

    A fingerprint looks at the ends of a file, and goes with a copy of it. Whoever takes rows of a file from elsewhere
    must not miss that one of its rows was edited in place.

    Raises:
        UserError: a file is gone or cannot be read.
    """
    files = list(dict.fromkeys(block.file for block in source.blocks))
    marks = fingerprint(files, source.fields)
    return {
        file: hashlib.blake2b(repr((mark, written)).encode(), digest_size=12).hexdigest()
        for file, mark, written in zip(files, marks, _times(files))
    }


def _times(files: Sequence[DataFile]) -> list[int | None]:
    """Returns when each file was last written, in nanoseconds; None for tables in memory and where nobody knows."""
    threads = _REMOTE_THREADS if any(file.is_remote for file in files) else 1
    with ThreadPoolExecutor(threads, "easymtl-file-times") as pool:
        return list(pool.map(_time, files))


def _time(file: DataFile) -> int | None:
    if file.held:
        return None
    with suppress(OSError):
        return file.filesystem.get_file_info(file.path).mtime_ns
    return None
