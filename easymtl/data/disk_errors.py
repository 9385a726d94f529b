"""Errors of a local file system that say nothing of the file: nobody may read it, or the disk cannot."""

import errno

_AGAIN = "and run again: a training goes on from its last checkpoint."
_OF_MODE = f"Check owner and mode of the file and of the folders above it, {_AGAIN}"
_OF_DISK = f"Look at the disk and what the system says of it (dmesg), bring the file back from a copy, {_AGAIN}"
_ADVICE = {
    errno.EACCES: _OF_MODE,
    errno.EPERM: _OF_MODE,
    errno.EIO: _OF_DISK,
    errno.ELOOP: f"Bring the file back, {_AGAIN}",
    errno.ESTALE: f"The server of this file system knows the file no more. Mount it again, {_AGAIN}",
}


def disk_advice(error: Exception) -> str:
    """Returns what to do about an error of a disk or of permissions; empty for any other."""
    number = error.errno if isinstance(error, OSError) else None
    return _ADVICE.get(number or 0, "")
