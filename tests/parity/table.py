"""The table that `make parity` prints."""

import sys
from collections.abc import Sequence
from pathlib import Path

from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import open_terminal, print_line
from tests.parity.cases import find_cases, run_case
from tests.parity.comparison import Largest, Result
from tests.parity.quirks import quirk_of

STATUSES = ("passed", "differs", "later", "failed")
_ALSO = (
    "A missing value makes EasyRec touch row 0 of its table, which Momentum, RMSProp and LazyAdam then move. These "
    "runs do so as well (tests/parity/touched_rows.py); easymtl does not. Nor does it round Adam's bias correction as "
    "EasyRec does, in float32; these runs do (tests/parity/rounded_powers.py)."
)


def print_table(root: Path, begins: tuple[str, ...] = ("",)) -> int:
    """Runs the cases whose names begin so, and prints a row for each; returns 1 when one has failed, 2 without any."""
    root = root.resolve()
    cases = [case for case in find_cases(root) if case.startswith(begins)]
    if not cases:
        print(f"{root}: there is no case.", file=sys.stderr)
        return 2
    terminal = open_terminal()
    results = []
    for case in cases:
        results.append(run_case(root, case))
        if terminal.is_terminal:
            print_line(terminal, f"{len(results)}/{len(cases)} {case}: {results[-1].status}")
    headers = ["case", "status", "arrays", "noisy", "largest absolute", "largest relative"]
    terminal.print(make_table(headers, [_row(result) for result in results], num_left=2))
    for line in _remarks(root, results):
        print_line(terminal, line)
    statuses = [result.status for result in results]
    num_arrays = sum(result.num_compared for result in results)
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in STATUSES)
    print_line(terminal, f"{len(results)} cases: {counts}. {num_arrays:,} arrays compared.")
    return int("failed" in statuses)


def _row(result: Result) -> list[str]:
    if not result.num_compared:
        return [result.case, result.status, "", "", "", ""]
    noisy = str(result.num_noisy or "")
    return [
        result.case,
        result.status,
        str(result.num_compared),
        noisy,
        _largest(result.absolute),
        _largest(result.relative),
    ]


def _largest(largest: Largest) -> str:
    return f"{largest.value:.1e} {largest.where}" if largest.where else ""


def _remarks(root: Path, results: Sequence[Result]) -> list[str]:
    """Returns a line for each case that did not simply pass, and more for each that failed."""
    lines = []
    for result in results:
        if result.text:
            lines.append(f"{result.status} {result.case}: {result.text}{_test(root, result)}")
        lines += [f"  {difference}" for difference in result.differences[1:10]]
    noisy = 'Noisy arrays are apart between two runs of EasyRec itself (noise.json), and not in the "largest" columns.'
    return [*lines, noisy, _ALSO]


def _test(root: Path, result: Result) -> str:
    quirk = quirk_of((root / result.case).resolve())
    if result.status != "differs" or quirk is None:
        return ""
    return f" ({quirk.test or 'the test comes with the feature'})"
