"""How much memory a process can still take."""

import re
from collections.abc import Iterator
from pathlib import Path

_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB", re.MULTILINE)
_INACTIVE = re.compile(r"^(?:total_)?inactive_file (\d+)", re.MULTILINE)
_SPACE = (
    (re.compile(r"^Max address space +(\d+)", re.MULTILINE), "proc/self/limits"),
    (re.compile(r"^VmSize:\s+(\d+) kB", re.MULTILINE), "proc/self/status"),
)
_CGROUP_FILES = {"memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"), "": ("memory.max", "memory.current")}


def available_memory(root: Path = Path("/")) -> int | None:
    """Returns the bytes that this process can still take, or None where the system does not tell.

    It is the least of what the machine has left, what the limits of the process's control groups (version 1 or 2)
    leave, and what the limit of its address space (`ulimit -v`) does; files in the page cache count as free.
    """
    found = list(_limits(root))
    machine = _AVAILABLE.search(_text(root / "proc/meminfo"))
    if machine:
        found.append(int(machine[1]) * 1024)
    return max(min(found), 0) if found else None


def _limits(root: Path) -> Iterator[int]:
    """Yields what each limit of the process leaves: its address space, and control groups from its own to the top."""
    space, taken = (pattern.search(_text(root / name)) for pattern, name in _SPACE)
    if space and taken:
        yield int(space[1]) - int(taken[1]) * 1024
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
