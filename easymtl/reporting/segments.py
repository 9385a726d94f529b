"""Metrics by segment: a table in the terminal, and a file of JSON."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.formats import number_text
from easymtl.reporting.tables import print_table
from easymtl.reporting.terminal import print_line
from easymtl.scoring.segments import Segment


def print_segments(found: Sequence[Segment], terminal: Console) -> None:
    """Prints a table for each column and metric."""
    for column, result, rows in by_result(found):
        print_line(terminal, "")
        print_line(terminal, f"{result} by {column}", "bold")
        cells = [
            [one.value, f"{one.rows:,}", *map(_text, (one.estimate.value, one.estimate.low, one.estimate.high))]
            for one in rows
        ]
        print_table(terminal, [column, "rows", rows[0].metric, "95% from", "to"], cells)


def by_result(found: Sequence[Segment]) -> Iterator[tuple[str, str, list[Segment]]]:
    """Yields column and metric with their segments, in their order."""
    for (column, result), rows in groupby(found, key=lambda one: (one.column, one.result)):
        yield column, result, list(rows)


def write_segments(path: str, found: Sequence[Segment]) -> None:
    """Writes a list of objects with `column`, `value`, `rows`, `task`, `metric`, `result`, `estimate`, `low`, `high`.

    `mean_label` and `mean_score` too; what is not defined is null.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        write_text(Path(path), json.dumps([segment_record(one) for one in found], indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None


def segment_record(one: Segment) -> Mapping[str, Any]:
    """Returns a segment as `write_segments` writes it."""
    numbers = {
        "estimate": one.estimate.value,
        "low": one.estimate.low,
        "high": one.estimate.high,
        "mean_label": one.mean_label,
        "mean_score": one.mean_score,
    }
    return {
        **{name: getattr(one, name) for name in ("column", "value", "rows", "task", "metric", "result")},
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
    }


def _text(value: float) -> str:
    return number_text(value) if math.isfinite(value) else ""
