"""Files and folders that appear whole: written beside as a draft, flushed to the disk, then renamed into place."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

_OPERATION = re.compile(r"\{\{.*?\}\} *| *\[Op:\w*\]")
_DRAFT = re.compile(r"^\.(?:writing|removing)-.+-(\d+)$")


def reason(error: Exception) -> str:
    """Returns what an operating system or TensorFlow says of a failure, in one line."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    lines = _OPERATION.sub("", str(text)).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def draft_of(path: Path) -> Path:
    """Returns where this process writes what is to become `path`: beside it, so that a rename is enough."""
    return path.with_name(f".writing-{path.name}-{os.getpid()}")


def write_text(path: Path, text: str) -> None:
    """Writes a file that a reader, and the disk after a power cut, has in its old or its new form, and nothing between.

    Raises:
        OSError: it could not be written; a file that was there is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        draft.write_text(text, encoding="utf-8")
        flush(draft)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    flush(path.parent)


def publish(draft: Path, final: Path, beat: Callable[[], object] = lambda: None) -> None:
    """Renames a folder into place once all that is in it is on the disk.

    Args:
        draft: what is renamed.
        final: what it is called then.
        beat: is called after each file.

    Raises:
        OSError: it could not be flushed or renamed, or `final` is there.
    """
    for folder, _, names in os.walk(draft):
        for name in names:
            flush(Path(folder) / name)
            beat()
        flush(Path(folder))
    os.replace(draft, final)
    flush(final.parent)


def drafted_bytes(folder: Path) -> int:
    """Returns the bytes of all drafts in a folder: whoever writes one that is large has them grow."""
    num_bytes = 0
    for draft in folder.glob(".writing-*"):
        for path in (draft, *draft.rglob("*")):
            with contextlib.suppress(OSError):
                # It may be renamed or removed just now.
                num_bytes += path.stat().st_size if path.is_file() else 0
    return num_bytes


def remove(folder: Path) -> None:
    """Removes a published folder; a process that is killed meanwhile leaves no half of it under its name."""
    condemned = folder.with_name(f".removing-{folder.name}-{os.getpid()}")
    shutil.rmtree(condemned, ignore_errors=True)
    os.replace(folder, condemned)
    shutil.rmtree(condemned, ignore_errors=True)


def sweep(folder: Path, is_alone: bool = False, of: str | None = None) -> None:
    """Removes the drafts that ended processes have left; call it while this process writes none there.

    Args:
        folder: where to look; not below it.
        is_alone: no other process writes there (a lock is held), so that every draft is an old one.
        of: the file whose drafts are meant; None for those of all.
    """
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        match = _DRAFT.match(entry.name)
        if of is not None and not entry.name.startswith(f".writing-{of}-"):
            continue
        if not match or not (is_alone or int(match[1]) == os.getpid() or not _is_running(int(match[1]))):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def flush(path: Path) -> None:
    """Waits until a file, or the list of a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
