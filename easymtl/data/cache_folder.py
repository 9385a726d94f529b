"""The folder of encoded caches: an entry for each way to encode rows, and what all of them may take.

    <path>/<key>/entry.json                        which parts the key is made of, and which files there are blocks of
    <path>/<key>/<file>-<start>-<size>.rows        a block; its name begins with a digest of its file
    <path>/<key>/<file>-<start>-<size>.rows.part   one that is being written, locked by who writes it

Several processes may use a folder: files appear whole, and what is gone is read from the data again.
"""

import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

ENTRY = "entry.json"
BLOCKS = "*.rows"

SPARE_BYTES = 512 << 20
"""What is left free of the disk: checkpoints may be written there, too."""

_COUNT_SECONDS = 30.0
_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6))


class NoRoom(Exception):
    """There is no room for a block; the text says why: a clause."""


class Entry:
    """The folder of one key.

    Attributes:
        path: the folder.
        problem: why nothing can be written there; empty if it can.
        said: what its `entry.json` holds; empty for a new one.
    """

    def __init__(self, path: Path):
        self.path = path
        self.problem = ""
        self.said = read_json(path / ENTRY)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK):
                self.problem = "there is no permission to write there"
        except OSError as error:
            self.problem = why(error)

    def say(self, said: Mapping[str, Any]) -> None:
        """Writes what the entry holds, and so that it is used now.

        Raises:
            OSError: it cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f"{ENTRY}.{uuid.uuid4().hex}"
        draft.write_text(json.dumps(said, indent=1))
        os.replace(draft, self.path / ENTRY)

    def remove_blocks_of(self, files: Collection[str]) -> None:
        """Removes the blocks of files, and what a process that was killed has left half written."""
        for path in [path for digest in files for path in self.path.glob(f"{digest}-{BLOCKS}")]:
            path.unlink(missing_ok=True)
        for path in self.path.glob(f"{BLOCKS}.part"):
            part = locked_part(path)
            if part is not None:
                path.unlink(missing_ok=True)
                part.close()


class CacheFolder:
    """All entries.

    Attributes:
        path: the folder.
        max_bytes: what its blocks may take; 0 = what the disk has.
    """

    def __init__(self, path: Path, max_bytes: int):
        self.path = path
        self.max_bytes = max_bytes
        self._opened = time.time()
        self._used = 0
        self._counted = -_COUNT_SECONDS

    def entries(self) -> dict[str, dict[str, Any]]:
        """Returns what each entry says, by its key, the one that was used last first."""
        found = sorted(self.path.glob(f"*/{ENTRY}"), key=_time, reverse=True)
        return {path.parent.name: said for path in found if (said := read_json(path))}

    def make_room(self, own: Path, needed: Collection[str], num_bytes: int) -> int:
        """Sees to it that so many bytes more can be written, and returns how many were removed for that.

        The blocks go first that were used longest ago, of whatever entry; none that was used since this folder was
        opened, so that two trainings do not take each other's blocks away again and again.

        Args:
            own: the folder of the entry that needs room.
            needed: names of its blocks that stay.
            num_bytes: how many.

        Raises:
            NoRoom: they cannot be written.
            OSError: the folder is gone.
        """
        if shutil.disk_usage(own).free < num_bytes + SPARE_BYTES:
            raise NoRoom(f"its disk has less than {size_text(SPARE_BYTES)} left")
        if not self.max_bytes:
            return 0
        if time.monotonic() - self._counted > _COUNT_SECONDS:
            self._used = sum(map(size_of, self.path.glob(f"*/{BLOCKS}")))
            self._counted = time.monotonic()
        removed = 0
        if self._used + num_bytes > self.max_bytes:
            removed = self._remove(own, needed, self._used + num_bytes - self.max_bytes)
        if self._used + num_bytes > self.max_bytes:
            raise NoRoom(f"it has reached max_bytes ({size_text(self.max_bytes)})")
        return removed

    def add(self, num_bytes: int) -> None:
        """Counts what has been written."""
        self._used += num_bytes

    def _remove(self, own: Path, needed: Collection[str], num_bytes: int) -> int:
        """Removes blocks of so many bytes, as far as there are such that may go."""
        blocks = [path for path in self.path.glob(f"*/{BLOCKS}") if path.parent != own or path.name not in needed]
        removed = 0
        for path in sorted(blocks, key=_time):
            if removed >= num_bytes or _time(path) >= self._opened:
                break
            removed += size_of(path)
            with suppress(OSError):
                path.unlink()
            if path.parent != own and not any(path.parent.glob(BLOCKS)):
                shutil.rmtree(path.parent, ignore_errors=True)
        self._used -= removed
        return removed


def locked_part(path: Path) -> BinaryIO | None:
    """Returns an empty file that is locked until it is closed; None where another process is writing it.

    Raises:
        OSError: it cannot be made.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        # Some servers of files know no locks: then a block may be written twice at the same time, and damaged.
        pass
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
    # Another process has finished it just now.
    file.close()
    return None


def read_json(path: Path) -> dict[str, Any]:
    """Returns what a file holds; nothing where there is none, or where it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def use(path: Path) -> None:
    """Notes that a block is used now, if that can be written."""
    with suppress(OSError):
        os.utime(path)


def why(error: OSError) -> str:
    """Returns what an error says, without the path."""
    return error.strerror or str(error)


def size_of(path: Path) -> int:
    """Returns the bytes of a file, 0 where there is none."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def size_text(num_bytes: float) -> str:
    """Returns bytes in words."""
    unit, divisor = next(((unit, size) for unit, size in _UNITS if num_bytes >= size), ("kB", 1e3))
    return f"{num_bytes / divisor:.1f} {unit}"


def _time(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
