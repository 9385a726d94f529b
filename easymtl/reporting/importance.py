"""Rankings of features: tables, and files of CSV or JSON."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from rich.console import Console

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.formats import number_text
from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import print_line
from easymtl.scoring.importance import Importance


def print_importance(found: Sequence[Importance], terminal: Console) -> None:
    """Prints a table for each task, the most important first."""
    for task, ones in groupby(found, key=lambda one: one.task):
        ranked = list(ones)
        print_line(terminal, f"{task}: {ranked[0].metric} {number_text(ranked[0].value)}", "bold")
        rows = [[one.part, *map(number_text, (one.loss, one.low, one.high))] for one in ranked]
        terminal.print(make_table(["permuted", "worse by", "95% from", "to"], rows))


def print_rates(group: str, rates: Mapping[str, float], terminal: Console) -> None:
    """Prints the learnt rates of a group, the most important feature first."""
    print_line(terminal, f"Group {group}: rates at which features are dropped", "bold")
    rows = [[name, number_text(rate)] for name, rate in ranked_rates(rates).items()]
    terminal.print(make_table(["feature", "rate"], rows))


def ranked_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """Returns learnt rates in ascending order: what is dropped least is needed most."""
    return dict(sorted(rates.items(), key=lambda item: (item[1], item[0])))


def write_importance(path: str, found: Sequence[Importance]) -> None:
    """Writes rows of task, part, metric, value, loss, low and high; what is not defined is empty or null.

    Raises:
        UserError: the file cannot be written.
    """
    _write(Path(path), [asdict(one) for one in found])


def write_rates(path: Path, rates: Mapping[str, float]) -> None:
    """Writes rows of rank, feature and rate, the most important first: the first k lines are the best k features.

    Raises:
        UserError: the file cannot be written.
    """
    ranked = enumerate(ranked_rates(rates).items(), 1)
    _write(path, [{"rank": rank, "feature": name, "rate": rate} for rank, (name, rate) in ranked])


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    cells = [{name: None if _is_undefined(value) else value for name, value in row.items()} for row in rows]
    if path.suffix == ".json":
        text = json.dumps(cells, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, cells[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
        text = stream.getvalue()
    try:
        write_text(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None


def _is_undefined(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
