"""Runs a command, and tells the processor time of all its processes and the memory of the largest one.

    python -m benchmarks.cost python -m pytest -n 2

Of tests the dearest files are named, too, with the processor time of theirs, and those with the largest processes.

Memory is the resident set at its peak (VmHWM), looked up twice a second while the command runs; `ru_maxrss` would
count for a process what the one that started it had.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import peak_bytes
from tests.processes import COSTS

_PROCESSES = Path("/proc")
_PARENT = re.compile(r"^PPid:\s+(\d+)$", re.MULTILINE)
_SECONDS_BETWEEN_LOOKS = 0.5
_MOST_FILES = 30
_MOST_LARGE = 12


def main(command: list[str]) -> int:
    """Runs a command and prints its costs; returns its exit code."""
    begin = time.monotonic()
    largest, name = 0, ""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as costs:
        with subprocess.Popen(command, env=os.environ | {COSTS: costs.name}) as process:
            while process.poll() is None:
                for descendant in descendants(process.pid):
                    peak, its_name = _peak(descendant)
                    if peak > largest:
                        largest, name = peak, its_name
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        files = costs_of_files(costs.read())
    for file, cost in largest_of(files, lambda cost: cost.seconds):
        print(f"{cost.seconds:8.1f} s   {cost.peak / 1e9:5.2f} GB  {file}")
    if files:
        print("The largest processes:")
    for file, cost in largest_of(files, lambda cost: cost.peak)[:_MOST_LARGE]:
        print(f"{cost.peak / 1e9:8.2f} GB  {file}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"processor {used.ru_utime + used.ru_stime:.0f} s, of which system {used.ru_stime:.0f} s; "
        f"wall {time.monotonic() - begin:.0f} s; largest process {largest / 1e9:.2f} GB ({name})"
    )
    return process.returncode


@dataclass
class Cost:
    """What the processes of a file of tests took.

    Attributes:
        seconds: of processors, all processes together.
        peak: the resident set of the largest one in bytes, that of what it was forked from at least.
    """

    seconds: float = 0.0
    peak: int = 0


def costs_of_files(lines: str) -> dict[str, Cost]:
    """Returns what each file of tests took.

    Args:
        lines: of `tests/processes.py`.
    """
    costs: dict[str, Cost] = defaultdict(Cost)
    for line in lines.splitlines():
        seconds, peak, unit = line.split(" ", 2)
        cost = costs[unit.partition("::")[0]]
        cost.seconds += float(seconds)
        cost.peak = max(cost.peak, int(peak))
    return dict(costs)


def largest_of(costs: Mapping[str, Cost], size: Callable[[Cost], float]) -> list[tuple[str, Cost]]:
    """Returns the files that took most by some measure, the first ones of them."""
    return sorted(costs.items(), key=lambda item: -size(item[1]))[:_MOST_FILES]


def descendants(root: int) -> Iterator[int]:
    """Yields a process and all that came from it."""
    children = defaultdict(list)
    for path in _PROCESSES.glob("[0-9]*/status"):
        if match := _PARENT.search(_read(path)):
            children[int(match[1])].append(int(path.parent.name))
    found = [root]
    while found:
        process = found.pop()
        yield process
        found += children[process]


def _peak(process: int) -> tuple[int, str]:
    """Returns the peak of a process in bytes, 0 for one that has ended, and how it was started."""
    words = _read(_PROCESSES / str(process) / "cmdline").replace("\0", " ").strip()
    return peak_bytes(_read(_PROCESSES / str(process) / "status")) or 0, words[:120]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
