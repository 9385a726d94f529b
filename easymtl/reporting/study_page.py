"""A page about a study of `easymtl tune`: trials, the way of the search, what mattered, the front, the winner."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
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
_BEST, _CHOSEN, _PRUNED, _OTHERS = 0, 1, 5, 6
"""Colours."""
_MOST_CURVES = 40
_MOST_SETTINGS = 12
_LOG_FROM = 8.0
_LONGEST = 14


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
        _tried(result),
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


def _rows(result: Row, state: str) -> list[Row]:
    return [row for row in result["trials"] if row["state"] == state and row["values"]]


def _goal(objective: Row) -> str:
    return f"{'more' if objective['bigger'] else 'less'} is better"


def _marks(name: str, rows: Sequence[Row], x: Callable[[Row], float], place: int, colour: int) -> Series:
    """Returns a mark for each trial by one of its values; pruned trials have the first one alone."""
    rows = [row for row in rows if place < len(row["values"])]
    return Series(name, [x(row) for row in rows], [row["values"][place] for row in rows], colour, "marks")


def _front(result: Row) -> Element | None:
    if len(result["objectives"]) < 2:
        return None
    complete, front = _rows(result, "complete"), ranked(result)
    if not complete:
        return None
    figures = []
    first, *rest = result["objectives"]
    others = [row for row in complete if row["number"] not in result["best"]]
    chosen = [row for row in front if row["number"] == result["compromise"]]
    for place, objective in enumerate(rest, start=1):
        series = [
            replace(_marks(name, rows, lambda row: row["values"][0], place, colour), texts=texts)
            for name, rows, colour, texts in (
                ("trials", others, _OTHERS, ()),
                ("front", [row for row in front if row not in chosen], _BEST, _numbers(front, chosen)),
                ("best.config", chosen, _CHOSEN, [str(row["number"]) for row in chosen]),
            )
        ]
        title = f"{first['name']} and {objective['name']}"
        figures.append(
            chart(title, series, f"{first['name']} ({_goal(first)})", f"{objective['name']}, {_goal(objective)}")
        )
    note = (
        "No trial is better than one of the front in one metric and not worse in the others. Numbers are those of "
        "trials; best.config is the one nearest to the best of each metric."
    )
    return section("Pareto front", tag("div", figures, class_="grid-of"), note=note, id_="front")


def _numbers(front: Sequence[Row], chosen: Sequence[Row]) -> list[str]:
    return [str(row["number"]) for row in front if row not in chosen]


def _history(result: Row) -> Element | None:
    complete = _rows(result, "complete")
    if not complete:
        return None
    figures = []
    for place, objective in enumerate(result["objectives"]):
        values = [row["values"][place] for row in complete]
        best = [(max if objective["bigger"] else min)(values[: end + 1]) for end in range(len(values))]
        # Steps: what is best changes when a trial ends, and not on the way there.
        corners = [(row["number"], one) for row, pair in zip(complete, pairwise([best[0], *best])) for one in pair]
        series = [
            *_by_state(result, lambda row: float(row["number"]), place),
            Series("best so far", [float(x) for x, _ in corners], [y for _, y in corners], _BEST, "line"),
        ]
        figures.append(chart(objective["name"], series, "trial", _goal(objective), is_counted=True))
    return section("Way of the search", tag("div", figures, class_="grid-of"), id_="history")


def _by_state(result: Row, x: Callable[[Row], float], place: int) -> list[Series]:
    complete, pruned = _rows(result, "complete"), _rows(result, "pruned")
    return [_marks("pruned", pruned, x, place, _PRUNED), _marks("trials", complete, x, place, _OTHERS)]


def _tried(result: Row) -> Element | None:
    """Returns each metric over each value that was searched: where the good ones lie."""
    parts: list[Child] = []
    names = list(dict.fromkeys(name for row in result["trials"] for name in row["settings"]))
    for place, objective in enumerate(result["objectives"]):
        shares = result["importance"].get(objective["name"], {})
        figures = [
            figure
            for name in sorted(names, key=lambda name: -shares.get(name, 0.0))[:_MOST_SETTINGS]
            if (figure := _tried_chart(result, name, place, objective)) is not None
        ]
        if figures:
            parts.append(tag("h3", objective["name"]) if len(result["objectives"]) > 1 else None)
            parts.append(tag("div", figures, class_="grid-of"))
    if not parts:
        return None
    note = (
        "A mark for each trial. Where the best ones crowd at an end of what was tried, a wider range may hold better "
        "ones."
    )
    return section("Values tried", parts, note=note, id_="tried")


def _tried_chart(result: Row, name: str, place: int, objective: Row) -> Element | None:
    rows = [row for state in ("complete", "pruned") for row in _rows(result, state) if name in row["settings"]]
    # A trial that was pruned has the first value alone.
    rows = [row for row in rows if place < len(row["values"])]
    texts = list(dict.fromkeys(row["settings"][name] for row in rows))
    if len(texts) < 2:
        return None
    numbers = {text: _number(text) for text in texts}
    is_number = all(map(math.isfinite, numbers.values()))
    texts.sort(key=lambda text: (numbers[text] if is_number else 0.0, text))
    places = numbers if is_number else {text: float(at) for at, text in enumerate(texts)}
    best = ranked(result)[:1] if len(result["objectives"]) == 1 else ranked(result)
    known = {**result, "trials": [row for row in rows if row not in best]}

    def x(row: Row) -> float:
        return places[row["settings"][name]]

    low, high = min(places.values()), max(places.values())
    series = [
        *_by_state(known, x, place),
        _marks("best" if len(result["objectives"]) == 1 else "front", [r for r in best if r in rows], x, place, _BEST),
    ]
    return chart(
        name,
        series,
        name,
        f"{objective['name']}, {_goal(objective)}",
        is_log=is_number and low > 0 and high > _LOG_FROM * low,
        is_counted=is_number and all(value == round(value) for value in places.values()),
        x_names=() if is_number else [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in texts],
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


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
            "best trial" if row["number"] in best else "other trials",
            [float(step) for step in row["intermediate"]],
            list(row["intermediate"].values()),
            0 if row["number"] in best else 6,
            "line" if row["number"] in best else "faint",
        )
        for row in drawn
    ]
    name = result["objectives"][0]["name"]
    note = "Each evaluation of the first seed of a trial; lines of pruned trials end early."
    goal = _goal(result["objectives"][0])
    figures = tag("div", chart(name, series, "step", goal), class_="grid-of")
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
        state = _state(row["state"], row["number"] in result["best"], len(objectives) > 1)
        cells.append([str(row["number"]), state, *values, *changed, seconds, row["note"]])
    headers = ["trial", "state", *objectives, *settings, "time", ""]
    note = "Values of pruned trials are those of their last evaluation."
    return section("Trials", table(headers, cells, num_left=2), note=note, id_="trials")


def _state(state: str, is_best: bool, is_front: bool) -> Child:
    if state == "failed":
        return tag("span", state, class_="alarm")
    return [state, tag("span", ", front" if is_front else ", best", class_="fine")] if is_best else state


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
