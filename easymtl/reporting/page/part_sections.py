"""Parts of a report on data that came day after day: how each part was scored before it was trained on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from easymtl.config import view
from easymtl.reporting.formats import number_text
from easymtl.reporting.names import is_metric, split_result
from easymtl.reporting.page.charts import Series, chart
from easymtl.reporting.page.elements import Element, folded, section, table, tag
from easymtl.reporting.part_records import read_parts
from easymtl.reporting.runs import Run

_MOST_ROWS = 200

Records = Sequence[Mapping[str, Any]]


def parts(runs: Sequence[Run]) -> Element | None:
    """Returns metrics, mean labels and mean scores by part; None where no run has followed its data."""
    found = {run.name: read_parts(run.model_dir) for run in runs}
    if not any(found.values()):
        return None
    towers = list(dict.fromkeys(name for run in runs for name in view.result_rows(run.pipeline)))
    figures = [figure for tower in towers for figure in _figures(tower, towers, found)]
    tables = [
        folded(f"{name}: {len(records):,} parts", _table(records[-_MOST_ROWS:], towers))
        for name, records in found.items()
        if records
    ]
    note = "Each part was scored before it was trained on: these are rows that the model had not seen."
    return section("Parts", tag("div", figures, class_="grid-of"), tables, note=note, id_="parts")


def _figures(tower: str, towers: Sequence[str], found: Mapping[str, Records]) -> list[Element]:
    names = dict.fromkeys(name for records in found.values() for one in records for name in one["metrics"])
    metrics = [name for name in names if split_result(name, towers)[1] == tower]
    figures = []
    for name in sorted(metrics, key=lambda name: not is_metric(split_result(name, towers)[0]))[:1]:
        series = [_series(run, records, place, "metrics", name) for place, (run, records) in _drawn(found)]
        figures.append(chart(tower, series, "part", split_result(name, towers)[0]))
    series = []
    for place, (run, records) in _drawn(found):
        prefix = f"{run}, " if len(found) > 1 else ""
        series.append(_series(f"{prefix}label", records, 2 * place, "labels", tower))
        series.append(_series(f"{prefix}score", records, 2 * place + 1, "scores", tower))
    figures.append(chart(tower, series, "part", "mean"))
    return figures


def _drawn(found: Mapping[str, Records]) -> list[tuple[int, tuple[str, Records]]]:
    return [(place, (run, records)) for place, (run, records) in enumerate(found.items()) if records]


def _series(name: str, records: Records, colour: int, what: str, result: str) -> Series:
    values = [one[what].get(result) for one in records]
    numbers = [math.nan if number is None else float(number) for number in values]
    return Series(name, [float(one["number"]) for one in records], numbers, colour, "points")


def _table(records: Records, towers: Sequence[str]) -> Element:
    names = list(dict.fromkeys(name for one in records for name in one["metrics"]))
    means = [tower for tower in towers if any(tower in one["labels"] for one in records)]
    headers = ["part", "number", "rows", *names, *(f"{tower} {what}" for tower in means for what in ("label", "score"))]
    rows = [
        [
            str(one["part"]),
            f"{one['number']:,}",
            f"{one['rows']:,}",
            *(_text(one["metrics"].get(name)) for name in names),
            *(_text(one[what].get(tower)) for tower in means for what in ("labels", "scores")),
        ]
        for one in records
    ]
    return table(headers, rows)


def _text(value: float | None) -> str:
    return "" if value is None else number_text(value)
