"""Parts of a report on the training: learning curves, gates, gradients, time."""

import math
from collections.abc import Iterator, Mapping, Sequence

from easymtl.config import view
from easymtl.reporting.formats import number_text, percent_text, seconds_text
from easymtl.reporting.names import by_tower
from easymtl.reporting.page.charts import NUM_COLOURS, Series, chart
from easymtl.reporting.page.elements import Child, Element, section, table, tag
from easymtl.reporting.page.scales import span
from easymtl.reporting.run_history import Points, RunHistory
from easymtl.reporting.runs import Run

DEAD_SHARE = 0.01
"""Mean weight below which an expert is dead to a gate."""
_MOST_POINTS = 200
_OFTEN = 0.5
_MEAN_AGAINST = -0.01


def learning_curves(runs: Sequence[Run]) -> Element | None:
    """Returns training and evaluation of each task over the steps, all runs in one chart."""
    figures: list[Element] = []
    tasks = dict.fromkeys(name for run in runs for name in view.result_rows(run.pipeline))
    tables = [_by_task(run) for run in runs]
    steps = span(step for run in runs for step in _steps(run.history))
    for task in [*tasks, None]:
        names = dict.fromkeys(name for of_run in tables for name in of_run.get(task, {}))
        for name in sorted(names, key=lambda name: name != "loss"):
            series = [
                one
                for place, of_run in enumerate(tables)
                for one in _curves(of_run.get(task, {}).get(name), runs[place].name if len(runs) > 1 else "", place)
            ]
            title = task if task is not None else "all tasks"
            if series:
                figures.append(chart(str(title), series, "step", name, steps, _without_first_steps(series)))
    if not figures:
        return None
    notes = [f"{run.name}: {_why_short(run.history)}" for run in runs if not run.history.is_recorded]
    note = (
        "Thin and dashed: the loss of single training steps, and its running mean. Marks: evaluations during training."
    )
    return section(
        "Learning curves", tag("div", figures, class_="grid-of"), note=" ".join([note, *notes]), id_="learning"
    )


def _without_first_steps(series: Sequence[Series]) -> tuple[float, float]:
    """Returns the range of values that leaves room for all but the first steps, whose losses dwarf all others."""
    later = [value for one in series for value in (one.y if one.style == "points" else one.y[len(one.y) // 20 :])]
    return span(later, 0.06)


def _steps(history: RunHistory) -> Iterator[float]:
    yield from (one.step for one in history.evaluations)
    yield from (step for points in history.losses.values() for step in points)


def _why_short(history: RunHistory) -> str:
    return "no history.jsonl is in its model_dir, so only evaluations that its checkpoints know are shown."


Curves = tuple[Points, Points]
"""Values in training and in evaluation, by step."""


def _by_task(run: Run) -> dict[str | None, dict[str, Curves]]:
    """Returns result -> values by step, by task; what belongs to no task under None."""
    rows = view.result_rows(run.pipeline)
    found: dict[str | None, dict[str, Curves]] = {}

    def add(task: str | None, name: str, step: float, value: float, place: int) -> None:
        found.setdefault(task, {}).setdefault(name, ({}, {}))[place][step] = value

    steps: dict[float, dict[str, float]] = {}
    for name, points in run.history.losses.items():
        for step, value in points.items():
            steps.setdefault(step, {})[name] = value
    parts = [(step, losses, 0) for step, losses in sorted(steps.items())]
    parts += [(one.step, dict(one.metrics), 1) for one in run.history.evaluations]
    for step, values, place in parts:
        for task, results in by_tower(values, rows).items():
            for name, value in results.items():
                add(task, name, step, value, place)
        if "loss" in values:
            add(None, "loss", step, values["loss"], place)
    return found


def _curves(curves: Curves | None, run: str, colour: int) -> list[Series]:
    if curves is None:
        return []
    training, evaluation = curves
    steps, values = thinned(training)
    name = f"{run}, " if run else ""
    found = []
    if steps:
        found.append(Series("", steps, values, colour, "faint"))
        found.append(Series(f"{name}training", steps, smoothed(values), colour, "dashed"))
    if evaluation:
        of_evaluation = colour if run else colour + 1
        found.append(Series(f"{name}evaluation", [*evaluation], [*evaluation.values()], of_evaluation, "points"))
    return found


def thinned(points: Points) -> tuple[list[float], list[float]]:
    """Returns points, many of them as the means of as many runs of neighbours as there may be."""
    size = math.ceil(len(points) / _MOST_POINTS) if points else 1
    pairs = list(points.items())
    parts = [pairs[first : first + size] for first in range(0, len(pairs), size)]
    return [sum(p[0] for p in part) / len(part) for part in parts], [
        sum(p[1] for p in part) / len(part) for part in parts
    ]


def smoothed(values: Sequence[float]) -> list[float]:
    """Returns a running mean: of each value and its neighbours, an eighth of all values together."""
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    result = []
    for place in range(len(values)):
        reach = min(len(values) // 16, place, len(values) - 1 - place)
        low, high = place - reach, place + reach + 1
        result.append((sums[high] - sums[low]) / (high - low))
    return result


def gates(runs: Sequence[Run]) -> Element | None:
    """Returns how much each gate draws on each expert at the last look, and how that came about."""
    parts: list[Child] = []
    for run in runs:
        if run.history.gates:
            parts.append(tag("h3", run.name) if len(runs) > 1 else None)
            parts.append(_gate_table(run.history.gates))
            parts.append(
                tag("div", [_gate_chart(gate, of) for gate, of in run.history.gates.items()], class_="grid-of")
            )
    if not parts:
        return None
    note = (
        "Mean weight of each expert over the rows that were looked at; the weights of a gate sum to 1. An expert below "
        "1 % is marked as dead: the gate's tasks learn nothing from it, and it nothing from them."
    )
    return section("Gates", parts, note=note, id_="gates")


def dead_experts(found: Mapping[str, Mapping[str, Points]]) -> list[tuple[str, str]]:
    """Returns the gates and the experts that they hardly draw on."""
    return [(gate, expert) for gate, of in found.items() for expert, points in of.items() if _last(points) < DEAD_SHARE]


def _last(points: Points) -> float:
    return points[max(points)]


def _gate_table(found: Mapping[str, Mapping[str, Points]]) -> Element:
    experts = list(dict.fromkeys(expert for of in found.values() for expert in of))
    rows = []
    for gate, of in found.items():
        rows.append(tag("tr", tag("td", gate), [_heat(_last(of[one])) if one in of else tag("td") for one in experts]))
    head = tag("thead", tag("tr", tag("th", "gate"), [tag("th", one, class_="number") for one in experts]))
    return tag("div", tag("table", head, tag("tbody", rows)), class_="scroll")


def _heat(share: float) -> Element:
    is_dead = share < DEAD_SHARE
    text: Child = [percent_text(share), tag("span", " dead", class_="alarm") if is_dead else None]
    return tag("td", text, class_="heat dead" if is_dead else "heat", style=f"--share: {min(max(share, 0), 1):.3f}")


def _gate_chart(gate: str, of: Mapping[str, Points]) -> Element:
    series = [Series(expert, [*p], [*p.values()], place, "points") for place, (expert, p) in enumerate(of.items())]
    return chart(
        f"gate {gate}",
        series,
        "step",
        "mean weight",
        y_range=(0.0, max(1e-9, *(v for one in series for v in one.y)) * 1.05),
    )


def are_against(cosines: Points) -> bool:
    """Returns whether the gradients of two tasks are against each other: mostly, and by more than the noise about 0."""
    numbers = cosines.values()
    mostly = sum(value < 0 for value in numbers) > _OFTEN * len(numbers)
    return mostly and sum(numbers) / len(numbers) < _MEAN_AGAINST


def gradient_conflict(runs: Sequence[Run]) -> Element | None:
    """Returns the cosines between the gradients of tasks over the steps, and how often they are against each other."""
    figures: list[Element] = []
    rows: list[list[Child]] = []
    for place, run in enumerate(runs):
        for pair, points in run.history.cosines.items():
            steps, values = thinned(points)
            series = [Series("", steps, values, place, "faint"), Series("", steps, smoothed(values), place, "line")]
            title = f"{pair}, {run.name}" if len(runs) > 1 else pair
            top = min(max(0.2, *(1.1 * abs(value) for value in values)), 1.0)
            figures.append(
                chart(title, series, "step", "cosine", None, (-top, top), ((steps[0], 0.0), (steps[-1], 0.0)))
            )
            negative = sum(value < 0 for value in points.values()) / len(points)
            mean = sum(points.values()) / len(points)
            share = tag("span", percent_text(negative), class_="alarm" if are_against(points) else None)
            rows.append([pair, *([run.name] if len(runs) > 1 else []), number_text(mean), share])
    comparable = [run for run in runs if len(view.task_towers(run.pipeline)) > 1]
    missing = [run.name for run in comparable if not run.history.cosines]
    of_runs = f" in {', '.join(missing)}" if len(runs) > 1 else ""
    told = tag("p", f"not measured{of_runs}: train_config.log_gradient_conflict_every") if missing else None
    if not rows:
        return section("Gradient conflict", told, id_="conflict") if told is not None else None
    headers = ["tasks", *(["run"] if len(runs) > 1 else []), "mean cosine", "steps below 0"]
    note = (
        "The cosine between the gradients of two tasks on the weights that they share: below 0 a step that helps one "
        "harms the other (Yu et al. 2020)."
    )
    shown = table(headers, rows, num_left=len(headers) - 2)
    return section("Gradient conflict", told, shown, tag("div", figures, class_="grid-of"), note=note, id_="conflict")


def times(runs: Sequence[Run]) -> Element | None:
    """Returns how long each phase of the trainings took, and how fast they were."""
    parts: list[Child] = []
    for run in runs:
        seconds, history = run.history.seconds, run.history
        total = sum(seconds.values())
        if not total:
            continue
        ordered = sorted(seconds.items(), key=lambda one: -one[1])
        bars = [
            tag("span", class_=f"c{place % NUM_COLOURS}", style=f"flex: {time / total:.5f} 0 0", title=name)
            for place, (name, time) in enumerate(ordered)
        ]
        rows: list[list[Child]] = [
            [
                tag("span", tag("span", class_=f"swatch c{place % NUM_COLOURS}"), name, class_="run"),
                seconds_text(time),
                percent_text(time / total),
            ]
            for place, (name, time) in enumerate(ordered)
        ]
        parts += [tag("h3", run.name) if len(runs) > 1 else None, tag("div", bars, class_="phases")]
        parts.append(table(["phase", "time", "share"], rows))
        if history.speed:
            speed = [Series("", *thinned(history.speed), 0, "line")]
            wait = [Series("", *thinned(history.wait), 1, "line")]
            charts = [
                chart("Speed", speed, "step", "examples/s"),
                chart("Waiting for input", wait, "step", "share of the time"),
            ]
            parts.append(tag("div", charts, class_="grid-of"))
    return section("Time", parts, id_="time") if parts else None
