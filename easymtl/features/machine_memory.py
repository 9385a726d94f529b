"""How much memory a process can still take; imports no TensorFlow."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_INACTIVE = re.compile(r"^(?:total_)?inactive_file (\d+)", re.MULTILINE)
_SPACE = (
    (re.compile(r"^Max address space +(\d+)", re.MULTILINE), "proc/self/limits"),
    (re.compile(r"^VmSize:\s+(\d+) kB", re.MULTILINE), "proc/self/status"),
)
_CGROUP_FILES = {"memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"), "": ("memory.max", "memory.current")}
_GIB = 1 << 30
_MIB = 1 << 20


@dataclass(frozen=True)
class Room:
    """What memory there is for a process.

    Attributes:
        available: bytes that it may take; None where the system does not tell.
        num_sharing: how many workers of a machine share it: the bytes are those of each.
    """

    available: int | None
    num_sharing: int = 1

    @classmethod
    def here(cls, num_sharing: int = 1) -> "Room":
        """Returns what there is on this machine, before any of those that share it has taken something."""
        return cls(available_memory(num_sharing=num_sharing), num_sharing)

    def has(self, needed: int) -> bool:
        """Returns whether there is so much; what nobody knows is there."""
        return self.available is None or needed <= self.available

    def text(self) -> str:
        """Returns what there is, as the end of a sentence."""
        sharing = f" to each of {self.num_sharing} workers of this machine" if self.num_sharing > 1 else ""
        return f"{size_text(self.available or 0)} are available{sharing}"


def available_memory(root: Path = Path("/"), num_sharing: int = 1) -> int | None:
    """Returns the bytes that this process can still take, or None where the system does not tell.

    It is the least of what the machine has left, what the limits of the process's control groups (version 1 or 2)
    leave, and what the limit of its address space (`ulimit -v`) does; files in the page cache count as free.

    Args:
        root: of the file system.
        num_sharing: processes, this one among them, that are about to take equal parts of what there is. Their address
            spaces are their own.
    """
    found = [left // num_sharing for left in _shared_limits(root)]
    space, taken = (pattern.search(_text(root / name)) for pattern, name in _SPACE)
    if space and taken:
        found.append(int(space[1]) - int(taken[1]) * 1024)
    return max(min(found), 0) if found else None


def _shared_limits(root: Path) -> Iterator[int]:
    """Yields what the machine has left, and what the control groups of the process leave, from its own to the top."""
    machine = _AVAILABLE.search(_text(root / "proc/meminfo"))
    if machine:
        yield int(machine[1]) * 1024
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        kind = "memory" if "memory" in controllers.split(",") else controllers
        if kind not in _CGROUP_FILES:
            continue
        top = root / "sys/fs/cgroup" / kind
        own = top / path.strip("/")
        for folder in (own, *own.parents):
            limit, usage = (_text(folder / name).strip() for name in _CGROUP_FILES[kind])
            if limit.isdigit() and usage.isdigit():
                cached = _INACTIVE.search(_text(folder / "memory.stat"))
                yield int(limit) - int(usage) + (int(cached[1]) if cached else 0)
            if folder == top:
                break


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def size_text(size: float) -> str:
    """Returns a size in the unit in which it is no zero: most models are small."""
    return f"{size / _GIB:,.2f} GiB" if size >= _GIB / 10 else f"{size / _MIB:,.2f} MiB"
