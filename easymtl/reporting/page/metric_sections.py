"""Parts of a report on evaluation data: metrics with intervals, differences between runs, segments."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from easymtl.reporting.formats import counted, number_text
from easymtl.reporting.page.charts import whisker
from easymtl.reporting.page.elements import Child, Element, folded, section, table, tag
from easymtl.reporting.page.scales import span
from easymtl.reporting.runs import Run
from easymtl.reporting.segments import by_result
from easymtl.scoring.bootstrap import Estimate, difference, estimate
from easymtl.scoring.scored_rows import Scored, ScoredRows
from easymtl.scoring.segments import Segment, segments
from easymtl.tasks.metrics import MetricInputs, UndefinedMetric
from easymtl.tasks.tower_metrics import Metric


@dataclass(frozen=True)
class Found:
    """A metric of one run.

    Attributes:
        task: name of the tower.
        result: the metric as reports name it, `auc_ctr`.
        metric: the metric.
        inputs: what it is computed on; None where no row counts.
        labels: `[n]`, of all rows.
        estimate: the metric with its interval.
    """

    task: str
    result: str
    metric: Metric
    inputs: MetricInputs | None
    labels: np.ndarray
    estimate: Estimate


def found_metrics(rows: ScoredRows) -> dict[str, Found]:
    """Returns all metrics of scored rows by their names."""
    return {one.result: one for scored in rows.scored for one in _of(rows, scored)}


def _of(rows: ScoredRows, scored: Scored) -> Iterator[Found]:
    for metric in scored.metrics:
        try:
            inputs = rows.inputs(scored, metric)
        except UndefinedMetric:
            inputs = None
        found = estimate(metric, inputs) if inputs is not None else Estimate(math.nan)
        yield Found(scored.task.name, f"{metric.name}_{scored.measure.name}", metric, inputs, scored.labels, found)


def compared(one: Found, other: Found) -> Estimate | None:
    """Returns how much larger a metric is of another run; None where their rows are not the same."""
    if one.inputs is None or other.inputs is None or not np.array_equal(one.labels, other.labels, equal_nan=True):
        return None
    if len(one.inputs.labels) != len(other.inputs.labels) or one.metric.parameters != other.metric.parameters:
        return None
    return difference(one.metric, one.inputs, other.inputs)


def is_better(metric: Metric, change: float) -> bool | None:
    """Returns whether a change of a metric is for the better; None where that is not told by its direction."""
    return None if metric.is_calibration else (change < 0) == metric.is_error


def interval_text(found: Estimate, sign: bool = False, verdict: Child = None) -> Child:
    """Returns a value, what is to be said of it, and its interval."""
    if not math.isfinite(found.value):
        return tag("span", "not defined", class_="interval")
    value = f"{'+' if sign and found.value > 0 else ''}{number_text(found.value)}"
    if not math.isfinite(found.low):
        return value
    return [value, verdict, tag("span", f"{number_text(found.low)} to {number_text(found.high)}", class_="interval")]


def metrics(runs: Sequence[Run]) -> Element | None:
    """Returns the metrics of all tasks and runs, and of several runs their differences from the first one."""
    found = [found_metrics(run.rows) if run.rows is not None else {} for run in runs]
    names = list(dict.fromkeys(name for of_run in found for name in of_run))
    if not names:
        return None
    rows = []
    for name in names:
        ones = [of_run.get(name) for of_run in found]
        first = next(one for one in ones if one is not None)
        cells: list[Child] = [first.task, first.result.removesuffix(f"_{first.task}")]
        cells += [interval_text(one.estimate) if one is not None else "" for one in ones]
        if len(runs) > 1:
            cells += [_difference(ones[0], one) for one in ones[1:]]
            cells.append(_whisker([one.estimate for one in ones if one is not None]))
        rows.append(cells)
    headers: list[Child] = ["task", "metric", *_headers(runs)]
    if len(runs) > 1:
        headers += [*(f"{run.name} minus {runs[0].name}" for run in runs[1:]), ""]
    note = (
        "With 95 % bootstrap intervals: rows, or groups of gauc, are drawn again. They hold the chance of the "
        "evaluation rows, not that of another seed."
    )
    if len(runs) > 1:
        note += " Differences are taken on the same drawn rows; one whose interval leaves out 0 is marked."
    return section("Metrics", table(headers, rows, num_left=2), note=note, id_="metrics")


def _headers(runs: Sequence[Run]) -> list[Child]:
    return [run_label(run, place) for place, run in enumerate(runs)] if len(runs) > 1 else ["value"]


def run_label(run: Run, place: int) -> Element:
    """Returns the name of a run with its colour."""
    return tag("span", tag("span", class_=f"swatch c{place % 7}"), run.name, class_="run")


def _difference(one: Found | None, other: Found | None) -> Child:
    if one is None or other is None:
        return ""
    found = compared(one, other)
    if found is None:
        return tag("span", "other rows", class_="interval")
    better = is_better(one.metric, found.value)
    verdict = None
    if found.is_apart_from_0 and better is not None:
        verdict = tag("span", " better" if better else " worse", class_="fine" if better else "alarm")
    return interval_text(found, sign=True, verdict=verdict)


def _whisker(found: Sequence[Estimate]) -> Element:
    numbers = [number for one in found for number in (one.value, one.low, one.high)]
    return whisker([(one.value, one.low, one.high) for one in found], *span(numbers, 0.05))


def segment_tables(runs: Sequence[Run], columns: Sequence[str]) -> Element | None:
    """Returns every metric by the values of columns, runs side by side."""
    parts: list[Child] = []
    for column in columns:
        tables = [list(by_result(segments(run.rows, column))) for run in runs if run.rows is not None]
        names = list(dict.fromkeys(result for of_run in tables for _, result, _ in of_run))
        found = [{result: rows for _, result, rows in of_run} for of_run in tables]
        parts.append(tag("h3", f"By {column}"))
        for place, name in enumerate(names):
            shown = _segments(column, [of_run.get(name, []) for of_run in found], runs)
            parts.append(folded(name, shown, is_open=place == 0))
    if not parts:
        return None
    note = (
        "Numbers are cut into ranges of equal count, rare values are one segment. 95 % bootstrap intervals; none where "
        "all rows that are drawn again say the same, as of an AUC of 1 by a handful of events. A metric is not defined "
        "where labels of a segment do not tell it, as when all are alike."
    )
    return section("Segments", parts, note=note, id_="segments")


def _segments(column: str, found: Sequence[Sequence[Segment]], runs: Sequence[Run]) -> Element:
    by_value = [{one.value: one for one in of_run} for of_run in found]
    values = list(dict.fromkeys(value for of_run in by_value for value in of_run))
    numbers = [
        n for of_run in found for one in of_run for n in (one.estimate.value, one.estimate.low, one.estimate.high)
    ]
    low, high = span(numbers, 0.03)
    rows = []
    for value in values:
        ones = [of_run.get(value) for of_run in by_value]
        first = next(one for one in ones if one is not None)
        drawn = [(o.estimate.value, o.estimate.low, o.estimate.high) if o else (math.nan,) * 3 for o in ones]
        mean = number_text(first.mean_label) if math.isfinite(first.mean_label) else ""
        cells: list[Child] = [value, f"{first.rows:,}", mean]
        rows.append([*cells, *(interval_text(one.estimate) if one else "" for one in ones), whisker(drawn, low, high)])
    metric = next(one.metric for of_run in found for one in of_run)
    return table([column, "rows", "mean label", *(_headers(runs) if len(runs) > 1 else [metric]), ""], rows)


def evaluated_rows(run: Run) -> str:
    """Returns what was scored, in words."""
    if run.evaluation is None:
        return ""
    return f"{counted(run.evaluation.num_examples, 'row')} of {run.paths}"
