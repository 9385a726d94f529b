"""Faults at one operation on files: whoever asks for the n-th of them below a folder is killed, or is told an error.

Python tells its audit hooks of each operation before it is done. What TensorFlow writes by itself is not seen; it is
between two that are.
"""

import ctypes
import errno
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

Prepare = Callable[[], None]
"""What a forked process does before it becomes a command."""

_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}
_CAPABILITY_VERSION = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT)


def _at(number: int, folder: Path, fault: Callable[[str], None], are_writes: bool = False) -> Prepare:
    """Returns what makes the n-th operation below a folder a fault; the first is 0."""
    left = number

    def hook(event: str, arguments: tuple) -> None:
        nonlocal left
        if not _is_counted(event, arguments, folder, are_writes):
            return
        left -= 1
        if left == -1:
            fault(str(arguments[0]))

    return lambda: sys.addaudithook(hook)


def _is_write(arguments: tuple) -> bool:
    mode, flags = arguments[1:3]
    return bool(set(mode or "") & set("wax+")) or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def killed_at(number: int, folder: Path) -> Prepare:
    """Returns what kills the process at the n-th operation on files of a folder."""

    def fault(path: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(10)

    return _at(number, folder, fault)


def failing_at(number: int, folder: Path, code: int) -> Prepare:
    """Returns what makes the n-th operation that changes files of a folder an error, such as that of a full disk."""

    def fault(path: str) -> None:
        raise OSError(code, os.strerror(code), path)

    return _at(number, folder, fault, are_writes=True)


def counting(folder: Path, result: Path, are_writes: bool = False) -> Prepare:
    """Returns what counts such operations, one byte of a file for each."""
    descriptor = os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def hook(event: str, arguments: tuple) -> None:
        if _is_counted(event, arguments, folder, are_writes):
            os.write(descriptor, b".")

    return lambda: sys.addaudithook(hook)


def _is_counted(event: str, arguments: tuple, folder: Path, are_writes: bool) -> bool:
    if event not in _EVENTS or not str(arguments[0]).startswith(f"{folder}/"):
        return False
    return not are_writes or event != "open" or _is_write(arguments)


def closing_at(number: int, folder: Path, path: Path, mode: int) -> Prepare:
    """Returns what gives a path other permissions at the n-th operation that changes files of a folder."""

    def fault(_: str) -> None:
        path.chmod(mode)

    at = _at(number, folder, fault, are_writes=True)

    def prepare() -> None:
        obey_permissions()
        at()

    return prepare


def obey_permissions() -> None:
    """Has a process of root obey the modes of files, as those of all other users do; it is for its threads, too."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for number in range(2):  # Effective and permitted.
        sets[number] &= ~_OVERRIDES
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def before_block(number: int, fault: Callable[[Path], None]) -> Prepare:
    """Returns what does something to a data file right before a feed reads the n-th block of all from it.

    What reads the first rows for a look at them comes before, and does not count.
    """
    reads = itertools.count()

    def prepare() -> None:
        from easymtl.data.csv import CsvSource
        from easymtl.data.parquet import ParquetSource

        def with_fault(read: Callable) -> Callable:
            def read_with_fault(source, block):
                if threading.current_thread().name.startswith("easymtl-feed") and next(reads) == number:
                    fault(Path(block.file.path))
                return read(source, block)

            return read_with_fault

        for kind in (CsvSource, ParquetSource):
            kind.read = with_fault(kind.read)

    return prepare


def clock_jumps(number: int, seconds: float) -> Prepare:
    """Returns what moves the clock by some seconds when it is asked for the n-th time."""
    asked = 0

    def prepare() -> None:
        ask = time.time

        def asked_time() -> float:
            nonlocal asked
            asked += 1
            return ask() + (seconds if asked > number else 0.0)

        time.time = asked_time

    return prepare
