"""How much memory a process can still take; imports no TensorFlow."""

import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_INACTIVE = re.compile(r"^(?:total_)?inactive_file (\d+)", re.MULTILINE)
# By the flag of `ulimit`: the line of `proc/self/limits`, and the line of `proc/self/status` that counts against it.
# Data are what a process alone may write: files that it maps, and address space that it has reserved, are none.
_OWN_LIMITS = {
    "-v": (re.compile(r"^Max address space +(\d+)", re.MULTILINE), re.compile(r"^VmSize:\s+(\d+) kB", re.MULTILINE)),
    "-d": (re.compile(r"^Max data size +(\d+)", re.MULTILINE), re.compile(r"^VmData:\s+(\d+) kB", re.MULTILINE)),
}
_CGROUP_FILES = {"memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"), "": ("memory.max", "memory.current")}
# Arrow's allocator reserves 1 GiB at once, and oneDNN's twice as much as tables take, by doubling what it asks for.
_AS_NEEDED = {"ARROW_DEFAULT_MEMORY_POOL": "system", "TF_ONEDNN_USE_SYSTEM_ALLOCATOR": "1"}
_GIB = 1 << 30
_MIB = 1 << 20


@dataclass(frozen=True)
class Limit:
    """What one limit leaves to a process.

    Attributes:
        left: bytes that it can still take.
        text: what the limit is, as the end of a sentence; nothing of the machine itself.
        is_own: whether no other process counts against it.
    """

    left: int
    text: str = ""
    is_own: bool = False


@dataclass(frozen=True)
class Room:
    """What memory there is for a process.

    Attributes:
        available: bytes that it may take; None where the system does not tell.
        num_sharing: how many workers of a machine share it: the bytes are those of each.
        limit: what leaves no more, as `Limit` tells it.
        is_own: whether another worker of the machine would have as much again.
    """

    available: int | None
    num_sharing: int = 1
    limit: str = ""
    is_own: bool = False

    @classmethod
    def here(cls, num_sharing: int = 1) -> "Room":
        """Returns what there is on this machine, before any of those that share it has taken something."""
        least = least_limit(num_sharing=num_sharing)
        return cls(least.left, num_sharing, least.text, least.is_own) if least else cls(None, num_sharing)

    def has(self, needed: int) -> bool:
        """Returns whether there is so much; what nobody knows is there."""
        return self.available is None or needed <= self.available

    def text(self) -> str:
        """Returns what there is, as the end of a sentence."""
        sharing = f" to each of {self.num_sharing} workers of this machine" if self.num_sharing > 1 else ""
        return f"{size_text(self.available or 0)} are available{sharing}{self.limit}"


def available_memory(root: Path = Path("/"), num_sharing: int = 1) -> int | None:
    """Returns the bytes that this process can still take, or None where the system does not tell: see `least_limit`."""
    least = least_limit(root, num_sharing)
    return least.left if least else None


def least_limit(root: Path = Path("/"), num_sharing: int = 1) -> Limit | None:
    """Returns what leaves this process the least memory, or None where the system does not tell.

    It is what the machine has left, what the limits of the process's control groups (version 1 or 2) leave, or what
    the limits of its own address space and data (`ulimit -v`, `ulimit -d`) do; files in the page cache count as free.

    Args:
        root: of the file system.
        num_sharing: processes, this one among them, that are about to take equal parts of what there is. Their own
            limits are each for itself.
    """
    found = [replace(one, left=one.left // num_sharing) for one in _shared_limits(root)]
    found += _own_limits(root)
    return min((replace(one, left=max(one.left, 0)) for one in found), key=lambda one: one.left, default=None)


def take_as_needed(environ: MutableMapping[str, str], root: Path = Path("/")) -> None:
    """Has libraries take memory when they need it where the process has a limit that counts what they reserve.

    Call it before any of them is imported. What somebody has set stays.

    Args:
        environ: of this process.
        root: of the file system.
    """
    if any(_own_limits(root)):
        for name, value in _AS_NEEDED.items():
            environ.setdefault(name, value)


def _own_limits(root: Path) -> Iterator[Limit]:
    """Yields what the limits of the process itself leave."""
    limits, status = (_text(root / f"proc/self/{name}") for name in ("limits", "status"))
    for flag, (limited, counted) in _OWN_LIMITS.items():
        limit, taken = limited.search(limits), counted.search(status)
        if limit and taken:
            text = f", of the {size_text(int(limit[1]))} that ulimit {flag} allows a process"
            yield Limit(int(limit[1]) - int(taken[1]) * 1024, text, is_own=True)


def _shared_limits(root: Path) -> Iterator[Limit]:
    """Yields what the machine has left, and what the control groups of the process leave, from its own to the top."""
    machine = _AVAILABLE.search(_text(root / "proc/meminfo"))
    if machine:
        yield Limit(int(machine[1]) * 1024)
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
                left = int(limit) - int(usage) + (int(cached[1]) if cached else 0)
                yield Limit(left, f", of the {size_text(int(limit))} that a control group allows its processes")
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
