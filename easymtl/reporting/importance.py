"""Rankings of features, and what they did to the scores of rows: tables, and files of CSV or JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.formats import number_text
from easymtl.reporting.tables import print_table
from easymtl.reporting.terminal import print_line
from easymtl.scoring.importance import Importance, Ranking
from easymtl.scoring.row_effects import RowEffect

Rates = Mapping[str, np.ndarray]
"""What `variational_dropout` has learnt for the features of a group: `[1]`, or a rate for each number of a vector."""


def print_importance(ranking: Ranking, terminal: Console) -> None:
    """Prints a table for each task, the most important first, and what is not defined."""
    for task, ones in _by_task(ranking.found):
        print_line(terminal, f"{task}: {ones[0].metric} {number_text(ones[0].value)}", "bold")
        rows = [[one.part, *map(_text, (one.loss, one.low, one.high))] for one in ones]
        print_table(terminal, ["permuted", "worse by", "95% from", "to"], rows)
    for warning in ranking.warnings:
        print_line(terminal, f"Warning: {warning}", "yellow")


def print_row_effects(found: Sequence[RowEffect], terminal: Console, most: int = 8) -> None:
    """Prints a table for each score of each row: the parts that moved it most, and how many others there are."""
    for (row, score), ones in groupby(found, key=lambda one: (one.row, one.score)):
        effects = list(ones)
        print_line(terminal, f"row {row}: {score} {number_text(effects[0].value)}", "bold")
        rows = [[one.part, one.found, f"{one.effect:+.5f}", _text(one.error)] for one in effects[:most]]
        print_table(terminal, ["feature", "here", "moves it by", "error"], rows, num_left=2)
        if others := effects[most:]:
            largest = max(abs(one.effect) for one in others)
            print_line(terminal, f"and {len(others)} more, none by more than {number_text(largest)}")


def _by_task(found: Sequence[Importance]) -> Iterator[tuple[str, list[Importance]]]:
    for task, ones in groupby(found, key=lambda one: one.task):
        yield task, list(ones)


def _text(value: float) -> str:
    return number_text(value) if math.isfinite(value) else ""


def print_rates(group: str, rates: Rates, terminal: Console) -> None:
    """Prints the learnt rates of a group, the most important feature first."""
    print_line(terminal, f"Group {group}: rates at which features are dropped", "bold")
    headers = ["feature", "rate", *(["from", "to"] if has_elements(rates) else [])]
    rows = [
        [name, *map(number_text, (rate, float(rates[name].min()), float(rates[name].max())))][: len(headers)]
        for name, rate in ranked_rates(rates).items()
    ]
    print_table(terminal, headers, rows)


def has_elements(rates: Rates) -> bool:
    """Returns whether numbers of a vector have rates of their own."""
    return any(len(of_feature) > 1 for of_feature in rates.values())


def ranked_rates(rates: Rates) -> dict[str, float]:
    """Returns the mean rate of each feature in ascending order: what is dropped least is needed most."""
    means = {name: float(np.mean(of_feature)) for name, of_feature in rates.items()}
    return dict(sorted(means.items(), key=lambda item: (item[1], item[0])))


def ranked_elements(rates: Rates) -> dict[tuple[str, int], float]:
    """Returns the rate of each number of each feature, counted from 0, in ascending order."""
    found = {(name, index): float(rate) for name, own in rates.items() for index, rate in enumerate(own)}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def write_importance(path: str, ranking: Ranking) -> None:
    """Writes rows of task, part, metric, value, loss, low and high; what is not defined is empty or null.

    Raises:
        UserError: the file cannot be written.
    """
    _write(Path(path), [asdict(one) for one in ranking.found])


def write_row_effects(path: str, found: Sequence[RowEffect]) -> None:
    """Writes rows of row, score, value, part, found, effect and error.

    Raises:
        UserError: the file cannot be written.
    """
    _write(Path(path), [asdict(one) for one in found])


def write_rates(path: Path, rates: Rates) -> None:
    """Writes rows of rank, feature and rate, the most important first: the first k lines are the best k features.

    Raises:
        UserError: the file cannot be written.
    """
    ranked = enumerate(ranked_rates(rates).items(), 1)
    _write(path, [{"rank": rank, "feature": name, "rate": rate} for rank, (name, rate) in ranked])


def write_elements(path: Path, rates: Rates) -> None:
    """Writes rows of rank, feature, element and rate, the most important number of a vector first.

    Raises:
        UserError: the file cannot be written.
    """
    ranked = enumerate(ranked_elements(rates).items(), 1)
    names = ("rank", "feature", "element", "rate")
    _write(path, [dict(zip(names, (rank, *element, rate))) for rank, (element, rate) in ranked])


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
