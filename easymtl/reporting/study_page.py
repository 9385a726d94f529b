"""A page about a study of `easymtl tune`: trials, the way of the search, what mattered, the front, the winner."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.formats import counted, number_text, percent_text, seconds_text
from easymtl.reporting.page.charts import Series, chart, whisker
from easymtl.reporting.page.elements import Child, Element, framed, marked, section, table, tag
from easymtl.reporting.study_lines import ranked, value_texts
from easymtl.reporting.study_results import DIFF_NAME, RESULT_NAME, read_result

Row = Mapping[str, Any]
_MARKS = 30
_MOST_CURVES = 40


def is_study(folder: str | Path) -> bool:
    """Returns whether a folder is that of a study."""
    return (Path(folder) / RESULT_NAME).is_file()


def write_study_report(folder: str | Path, out: str | Path = "report.html") -> None:
    """Writes a page about a study: one file that needs nothing else.

    Args:
        folder: of the study.
        out: the file.

    Raises:
        UserError: the folder is none of a study, or the file cannot be written.
    """
    result = read_result(Path(folder))
    if result is None:
        raise UserError(f"{folder}: there is no {RESULT_NAME} in it, which easymtl tune writes. Name its --study.")
    diff = Path(folder) / DIFF_NAME
    text = diff.read_text(encoding="utf-8") if diff.is_file() else ""
    try:
        write_text(Path(out), study_page(result, Path(folder).name, text))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {reason(error)}. Check the folder.") from None


def study_page(result: Row, name: str, diff: str = "") -> str:
    """Returns the page as text of HTML.

    Args:
        result: the content of `study.json`.
        name: of the study.
        diff: from the original config to the one that won.
    """
    sections = [
        _summary(result),
        _front(result),
        _history(result),
        _importance(result),
        _curves(result),
        _trials(result),
        _winner(diff),
    ]
    return framed(name, "study", sections)


def _summary(result: Row) -> Element:
    states = [row["state"] for row in result["trials"]]
    goals = [f"{'more' if one['bigger'] else 'less'} {one['name']}" for one in result["objectives"]]
    seconds = sum(row["seconds"] or 0.0 for row in result["trials"])
    best = ranked(result)
    facts: list[Sequence[Child]] = [
        ["config", result["config"]],
        ["searched for", " and ".join(goals)],
        ["seeds of a trial", result["made_of"]["--seeds"]],
        ["trials", ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "none"],
        ["time of trials", seconds_text(seconds)],
    ]
    if best and len(result["objectives"]) == 1:
        facts.append(["best", f"trial {best[0]['number']}: {value_texts(best[0])[0]}"])
    elif best:
        facts.append(["Pareto front", f"{counted(len(best), 'trial')}; best.config is trial {result['compromise']}"])
    return section("Summary", table(["", ""], facts, num_left=2, class_="facts"), id_="summary")


def _complete(result: Row) -> list[Row]:
    return [row for row in result["trials"] if row["state"] == "complete"]


def _apart(name: str, x: Sequence[float], y: Sequence[float], colour: int) -> Iterator[Series]:
    """Yields points without lines between them: a gap stands behind each."""
    for begin in range(0, len(x), _MARKS):
        part = slice(begin, begin + _MARKS)
        yield Series(name, _gapped(x[part]), _gapped(y[part]), colour, "points")


def _gapped(values: Sequence[float]) -> list[float]:
    return [one for value in values for one in (value, math.nan)]


def _front(result: Row) -> Element | None:
    if len(result["objectives"]) < 2:
        return None
    complete, front = _complete(result), ranked(result)
    if not complete:
        return None
    figures = []
    names = [one["name"] for one in result["objectives"]]
    others = [row for row in complete if row["number"] not in result["best"]]
    for place, name in enumerate(names[1:], start=1):
        series = [
            *_apart("trials", [row["values"][0] for row in others], [row["values"][place] for row in others], 6),
            *_apart("front", [row["values"][0] for row in front], [row["values"][place] for row in front], 0),
        ]
        figures.append(chart(f"{names[0]} and {name}", series, names[0], name))
    note = "No trial is better than one of the front in one metric and not worse in the others."
    return section("Pareto front", tag("div", figures, class_="grid-of"), note=note, id_="front")


def _history(result: Row) -> Element | None:
    complete = _complete(result)
    if not complete:
        return None
    figures = []
    for place, objective in enumerate(result["objectives"]):
        numbers = [float(row["number"]) for row in complete]
        values = [row["values"][place] for row in complete]
        best = [(max if objective["bigger"] else min)(values[: end + 1]) for end in range(len(values))]
        series = [*_apart("trials", numbers, values, 6), Series("best so far", numbers, best, 0, "line")]
        figures.append(chart(objective["name"], series, "trial", is_counted=True))
    return section("Way of the search", tag("div", figures, class_="grid-of"), id_="history")


def _importance(result: Row) -> Element | None:
    if not result["importance"]:
        return None
    parts: list[Child] = []
    for name, shares in result["importance"].items():
        rows = [[what, percent_text(share), whisker([(share, 0.0, share)], 0.0, 1.0)] for what, share in shares.items()]
        parts += [tag("h3", name), table(["", "share", ""], rows)]
    note = (
        "How much of the spread of a metric over the trials goes with each value (fANOVA, by Optuna). Few trials tell "
        "little of it, and values that the search has hardly left tell nothing."
    )
    return section("What mattered", parts, note=note, id_="importance")


def _curves(result: Row) -> Element | None:
    drawn = [row for row in result["trials"] if len(row["intermediate"]) > 1][-_MOST_CURVES:]
    if not drawn:
        return None
    best = set(result["best"][:1])
    drawn = sorted(drawn, key=lambda row: row["number"] in best)
    series = [
        Series(
            "best trial" if row["number"] in best else "",
            [float(step) for step in row["intermediate"]],
            list(row["intermediate"].values()),
            0 if row["number"] in best else 6,
            "line" if row["number"] in best else "faint",
        )
        for row in drawn
    ]
    name = result["objectives"][0]["name"]
    note = "Each evaluation of the first seed of a trial; lines of pruned trials end early."
    figures = tag("div", chart(name, series, "step"), class_="grid-of")
    return section("Evaluations", figures, note=note, id_="evaluations")


def _trials(result: Row) -> Element:
    best = [row["number"] for row in ranked(result)]
    order = {number: place for place, number in enumerate(best)}
    rows = sorted(result["trials"], key=lambda row: (order.get(row["number"], len(order)), row["number"]))
    settings = list(dict.fromkeys(name for row in rows for name in row["settings"]))
    objectives = [one["name"] for one in result["objectives"]]
    cells: list[Sequence[Child]] = []
    for row in rows:
        values = [*value_texts(row), *[""] * len(objectives)][: len(objectives)]
        seconds = "" if row["seconds"] is None else seconds_text(row["seconds"])
        changed = [_short(row["settings"].get(name, "")) for name in settings]
        state = tag("span", row["state"], class_="alarm") if row["state"] == "failed" else row["state"]
        cells.append([str(row["number"]), state, *values, *changed, seconds, row["note"]])
    headers = ["trial", "state", *objectives, *settings, "time", ""]
    note = "Values of pruned trials are those of their last evaluation."
    return section("Trials", table(headers, cells, num_left=2), note=note, id_="trials")


def _short(text: str) -> str:
    try:
        return number_text(float(text)) if "." in text and len(text) > 7 else text
    except ValueError:
        return text


def _winner(diff: str) -> Element | None:
    if not diff:
        return None
    *head, changes = diff.split("\n", 2)
    names = [tag("span", line, class_="at") for line in head]
    parts = tag("pre", names, marked(changes.splitlines()))
    return section("The config that won", parts, note="best.config, against the config.", id_="winner")
