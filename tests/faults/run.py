"""Breaks trainings and exports in every way that we know of, and tells what was lost: `make faults`.

Each unit of a kind is one fault, or a few after each other, at a place that follows from its number alone; then the
same command is run again, and has to leave what an undisturbed one leaves, byte for byte: weights, slots, states,
evaluation. What was tried is written down after each unit, and a further run goes on behind it. In full it takes
hours of a busy machine. The exit code is 1 if anything was lost.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.faults.kinds import KINDS, Kind  # noqa: E402
from tests.faults.project import Project, Result  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
Done = dict[str, dict[str, dict[str, Any]]]
"""By kind and number of the unit: points, problems, detail."""


def main(words: list[str] | None = None) -> int:
    """Runs the faults that are left, prints a table, and returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), help="by a comma each")
    parser.add_argument("--share", type=float, default=1.0, help="of the units of each kind; one of each at least")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what was done, which is not done again")
    parser.add_argument("--fresh", action="store_true", help="do all of it again")
    options = parser.parse_args(words)
    strange = [name for name in options.kinds if name not in KINDS]
    if strange:
        parser.error(f"there is no kind {strange[0]}, but {', '.join(KINDS)}")
    kinds = [KINDS[name] for name in options.kinds]
    done = read(options.results)
    if options.fresh:
        done |= {kind.name: {} for kind in kinds}
    _run_all([(kind, number) for kind in kinds for number in wanted(kind, options.share, done)], options.results, done)
    print(table(done))
    return 1 if lost(done, options.kinds) else 0


def wanted(kind: Kind, share: float, done: Done) -> list[int]:
    """Returns the units of a kind that are to be done."""
    return [
        number for number in range(max(1, round(kind.number * share))) if str(number) not in done.get(kind.name, {})
    ]


def _run_all(units: Iterable[tuple[Kind, int]], results: Path, done: Done) -> None:
    units = list(units)
    if not units:
        return
    import tensorflow  # noqa: F401  Forked processes find it imported.

    with tempfile.TemporaryDirectory(prefix="easymtl-faults-") as folder:
        project = Project(Path(folder) / "project")
        for kind, number in units:
            result = kind.run(project, random.Random(f"{kind.name} {number}"), number)
            print(line(kind, number, result), flush=True)
            done.setdefault(kind.name, {})[str(number)] = result._asdict()
            write(results, done)


def line(kind: Kind, number: int, result: Result) -> str:
    """Returns what has come of a unit."""
    verdict = "LOST" if result.problems else "ok"
    return f"{verdict:<4}  {kind.name:<11} {number:>3}  {'; '.join(result.problems) or result.detail}"


def read(path: Path) -> Done:
    """Returns what was done before."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(path: Path, done: Done) -> None:
    """Writes what was done, whole or not at all; what another run has added meanwhile is kept."""
    merged = read(path)
    for name, units in done.items():
        merged.setdefault(name, {}).update(units)
    draft = path.with_suffix(f".{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(path)


def lost(done: Done, names: Iterable[str]) -> list[str]:
    """Returns the units of kinds in which something was lost."""
    return [f"{name} {number}" for name in names for number, unit in done.get(name, {}).items() if unit["problems"]]


def table(done: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Returns kind, number of faults and how many of them something was lost by."""
    rows = []
    for kind in KINDS.values():
        units = done.get(kind.name, {}).values()
        if units:
            points = sum(unit["points"] for unit in units)
            rows.append((kind.name, kind.what, points, sum(bool(unit["problems"]) for unit in units)))
    rows.append(("all", f"{len(rows)} kinds", sum(row[2] for row in rows), sum(row[3] for row in rows)))
    lines = [f"{name:<11}  {what:<55} {points:>6} {lost:>6}" for name, what, points, lost in rows]
    return "\n".join([f"{'kind':<11}  {'':<55} {'faults':>6} {'lost':>6}", *lines])


if __name__ == "__main__":
    sys.exit(main())
