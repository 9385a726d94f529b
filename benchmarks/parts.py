"""The measurements of `make bench`, each in a process of its own, and what they found put together.

TensorFlow does not give back the memory of a model that is done: in one process all of them took 15 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.bars import bars
from benchmarks.workloads import WORKLOADS

OTHERS = ("vocabulary", "experts", "histories", "commands")
_MUCH_LOAD = 0.5


def measure_parts(options: argparse.Namespace, begin: float, tell: Callable[[str], None]) -> dict:
    """Measures each part in its turn and returns all that was found, as JSON holds it.

    Args:
        options: of benchmarks/speed.py.
        begin: of the run, in seconds since the epoch.
        tell: is told what is being done.
    """
    load = os.getloadavg()[0]
    if load > _MUCH_LOAD:
        tell(f"Other programs are at work here (load {load:.1f}): ratios will vary more.")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in part_names(options.only):
            out = Path(folder) / f"{name}.json"
            subprocess.run(_command(name, options, out, Path(folder) / "data", begin), check=True)
            found.append(json.loads(out.read_text(encoding="utf-8")))
    return joined(found, load)


def part_names(only: str) -> list[str]:
    """Returns the names of the parts to measure.

    Args:
        only: those that are asked for, with commas; "" for all.

    Raises:
        SystemExit: one of them is not known.
    """
    known = [*(workload.name for workload in WORKLOADS), *OTHERS]
    asked = only.split(",") if only else known
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(f"--only: {', '.join(unknown)} is not known: choose from {', '.join(known)}.")
    return [name for name in known if name in asked]


def joined(found: Sequence[Mapping], load: float) -> dict:
    """Returns what the processes have found as if it were one, with the bars.

    Args:
        found: of each process, in their order.
        load: of the machine before the first of them.
    """
    peaks = [one["machine"]["peak_bytes"] for one in found]
    machine = {**found[0]["machine"], "load": load, "peak_bytes": None if None in peaks else max(peaks)}
    result: dict = {"machine": machine}
    for key in ("workloads", "scaling", "commands"):
        result[key] = {name: said for one in found for name, said in one[key].items()}
    result["bars"] = [bar.as_json() for bar in bars(result)]
    return result


def _command(name: str, options: argparse.Namespace, out: Path, data: Path, begin: float) -> list[str]:
    shared = ("rounds", "seconds", "large_rows", "peers")
    given = [text for key in shared for text in (f"--{key}", str(getattr(options, key)))]
    own = ["--part", name, "--data", str(data), "--elapsed", str(time.time() - begin), "--out", str(out)]
    return [sys.executable, "-m", "benchmarks.speed", *own, *given]
