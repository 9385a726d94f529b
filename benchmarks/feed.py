"""What feeding costs, with nobody who waits for it: `python -m benchmarks.feed [--rounds 3] [--against FOLDER]`.

Rows of the taobao set are read, encoded, shuffled and cut as a training does it: rows a second by format, columns and
threads, processor time by stage, and that of histories by item. With `--against`, the package in another checkout
(protos generated) does the same in turns, and all is told as ratios, too: only these say anything on a machine that is
not alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bars import Bar, quotients
from benchmarks.feed_data import FORMATS, Case, history_cases, row_cases
from benchmarks.workloads import ROOT

STAGES = ("reading", "encoding", "cutting")
_REPEATS = 4
_MICRO = 1e6
# Columns and formats of the bars, and what is asked: microseconds of processor time for a row, at most.
_OF_BARS = 20
_MOST_MICROSECONDS = {"parquet": (1.5, 1.0), "csv": (2.2, 1.8)}
_THREADS_PAY = (1.7, 1.9)


class FeedProcess:
    """A process that measures with the package in a folder.

    Attributes:
        has_histories: whether the package reads any.
    """

    def __init__(self, folder: Path):
        """Starts it."""
        self.has_histories = (folder / "easymtl" / "features" / "sequence_feature.py").exists()
        script = str(ROOT / "benchmarks" / "feed_process.py")
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, script], stdin=pipe, stdout=pipe, text=True, env=environment)

    def ask(self, case: Case, what: str, threads: int | None = None) -> dict[str, float]:
        """Returns what it finds, see `feed_process`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"config": str(case.config), "is_training": not case.is_history, "what": what, "threads": threads}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"The process that measures {case.config} has ended with {self._process.wait()}.")
        return json.loads(answer)

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


@dataclass
class Found:
    """What was found of a case, a value for each round.

    Attributes:
        case: what was fed.
        stages: stage -> microseconds of processor time for a row.
        rates: threads -> rows a second; None is as many as there are by default.
        costs: the same -> microseconds of processor time for a row.
    """

    case: Case
    stages: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[int | None, list[float]] = field(default_factory=dict)
    costs: dict[int | None, list[float]] = field(default_factory=dict)

    def round(self, process: FeedProcess, threads: Iterable[int | None]) -> None:
        """Measures once."""
        stages = process.ask(self.case, "stages")
        for stage in STAGES:
            self.stages.setdefault(stage, []).append(stages[stage] / stages["rows"] * _MICRO)
        for number in threads:
            whole = process.ask(self.case, "whole", number)
            self.rates.setdefault(number, []).append(whole["rows"] / whole["seconds"])
            self.costs.setdefault(number, []).append(whole["processor"] / whole["rows"] * _MICRO)


def measure(
    cases: Sequence[Case], processes: Mapping[str, FeedProcess], rounds: int, threads: Sequence[int | None]
) -> dict[str, list[Found]]:
    """Returns what each process finds of each case that it can read."""
    found: dict[str, list[Found]] = {name: [] for name in processes}
    for case in cases:
        able = {name: one for name, one in processes.items() if one.has_histories or not case.is_history}
        for name in able:
            found[name].append(Found(case))
        for _ in range(rounds):
            for name, process in able.items():
                found[name][-1].round(process, [] if case.is_history else threads)
    return found


def tables(found: Sequence[Found], before: Sequence[Found] = ()) -> Iterator[str]:
    """Yields the lines of the tables, in Markdown; with ratios to what was found before, where that is."""
    earlier = {one.case: one for one in before}
    yield "| Columns | Format | Threads | Thousand rows/s | µs of processor time for a row | Over before |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        for threads, costs in one.costs.items():
            rate = statistics.median(one.rates[threads]) / 1000
            said = _over(costs, earlier[one.case].costs[threads]) if one.case in earlier else ""
            number = "default" if threads is None else threads
            what = f"{one.case.columns} | {one.case.file_format} | {number}"
            yield f"| {what} | {rate:,.0f} | {statistics.median(costs):.2f} | {said} |"
    yield ""
    yield from _stage_table(found, earlier, "Columns", "µs for a row", of_histories=False)
    yield ""
    yield from _stage_table(found, earlier, "History", "ns for an item", of_histories=True)


def _stage_table(
    found: Sequence[Found], earlier: Mapping[Case, Found], what: str, unit: str, of_histories: bool
) -> Iterator[str]:
    yield f"| {what} | Format | {' | '.join(STAGES)}, {unit} | Over before |"
    yield "|---|---|---|---|---|---|"
    for one in found:
        if one.case.is_history != of_histories:
            continue
        scale = 1000 / one.case.items if of_histories else 1
        costs = [f"{statistics.median(one.stages[stage]) * scale:.{0 if of_histories else 2}f}" for stage in STAGES]
        before = earlier[one.case].stages if one.case in earlier else {}
        said = "; ".join(_over(one.stages[stage], before[stage]) for stage in before)
        name = one.case.name if of_histories else one.case.columns
        yield f"| {name} | {one.case.file_format} | {' | '.join(costs)} | {said} |"


def bars(found: Sequence[Found]) -> Iterator[Bar]:
    """Yields the bars of the feed."""
    for one in found:
        if one.case.is_history or one.case.columns != _OF_BARS or one.case.file_format not in _MOST_MICROSECONDS:
            continue
        bar, aim = _MOST_MICROSECONDS[one.case.file_format]
        what = f"feed alone from {one.case.file_format}, {_OF_BARS} columns: processor time for a row"
        yield Bar("S15", what, one.costs.get(None, ()), bar, aim, is_most=True, unit="µs")
        what = f"feed alone from {one.case.file_format}: 2 threads over 1, on two free processors"
        yield Bar("S17", what, quotients(one.rates.get(2, ()), one.rates.get(1, ())), *_THREADS_PAY)


def _over(values: Sequence[float], before: Sequence[float]) -> str:
    """Returns the median of the ratios of rounds, and their range."""
    ratios = quotients(values, before)
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=262144, help="rows of a file, which is read four times")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--columns", type=int, nargs="*", default=[10, 20, 40])
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--histories", type=int, default=32768, help="rows of a history each; 0 for none")
    parser.add_argument("--against", type=Path, help="another checkout, whose protos are generated")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = list(row_cases(folder, options.rows, _REPEATS, options.columns, options.formats))
        if options.histories:
            cases += history_cases(folder, options.histories)
        processes = {"ours": FeedProcess(ROOT)}
        if options.against:
            processes["before"] = FeedProcess(options.against.resolve())
        try:
            found = measure(cases, processes, options.rounds, [None, *options.threads])
        finally:
            for process in processes.values():
                process.close()
    print("\n".join(tables(found["ours"], found.get("before", ()))), "\n")
    for bar in bars(found["ours"]):
        asked = f"bar {bar.bar}{' at most' if bar.is_most else ''}, aim {bar.aim}"
        print(f"{bar.number}  {bar.what}: {bar.median or 0:.2f} {bar.unit} ({asked})")


if __name__ == "__main__":
    main()
