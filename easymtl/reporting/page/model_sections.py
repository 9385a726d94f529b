"""Parts of a report on the model: what it is, its network, its features, its config."""

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from easymtl.config import view
from easymtl.reporting.formats import counted, number_text, percent_text
from easymtl.reporting.page.charts import whisker
from easymtl.reporting.page.elements import Child, Element, folded, marked, section, table, tag
from easymtl.reporting.page.metric_sections import evaluated_rows, run_label
from easymtl.reporting.page.scales import span
from easymtl.reporting.page.training_sections import are_against, dead_experts
from easymtl.reporting.results import ODDITIES_NAME
from easymtl.reporting.runs import Run
from easymtl.scoring.importance import Importance

_MUCH_MISSING = 0.95
_OFTEN = 0.5
_MOST_IMPORTANT = 40


def summary(runs: Sequence[Run]) -> Element:
    """Returns what each run is: model, data, steps, size."""
    facts = [_facts(run) for run in runs]
    names = list(dict.fromkeys(name for of_run in facts for name in of_run))
    rows = [[name, *(of_run.get(name, "") for of_run in facts)] for name in names]
    headers: list[Child] = (
        ["", *(run_label(run, place) for place, run in enumerate(runs))] if len(runs) > 1 else ["", ""]
    )
    problems = [(run, text) for run in runs for text in run.problems]
    told = [tag("li", f"{run.name}: {text}" if len(runs) > 1 else text, class_="alarm") for run, text in problems]
    hints = [tag("li", f"{run.name}: {text}" if len(runs) > 1 else text) for run in runs for text in worth_a_look(run)]
    shown = [tag("h3", "Worth a look"), tag("ul", told, hints)] if told or hints else []
    return section("Summary", table(headers, rows, num_left=len(headers), class_="facts"), shown, id_="summary")


def _facts(run: Run) -> dict[str, Child]:
    pipeline, history = run.pipeline, run.history
    towers = view.task_towers(pipeline)
    best = next((one for one in reversed(history.evaluations) if one.is_best), None)
    last = max(
        [one.step for one in history.evaluations] + [int(step) for step in history.losses.get("loss", ())], default=0
    )
    facts: dict[str, Child] = {
        "model": view.model_title(pipeline),
        "tasks": ", ".join(tower.tower_name for tower in towers),
        "features": f"{len(view.features_in_groups(pipeline)):,}",
        "trained on": view.train_input(pipeline) or "made-up rows",
        "scored": evaluated_rows(run),
        "checkpoint": f"step {run.checkpoint.step:,}" if run.checkpoint else "",
        "trained to": f"step {last:,}" if last else "",
        "best evaluation": f"step {best.step:,}" if best else "",
        "parameters": ", ".join(f"{number:,.0f} {kind}" for kind, number in (run.sizes or history.parameters).items()),
        "precision": history.precision,
        "model_dir": run.model_dir,
    }
    return {name: value for name, value in facts.items() if value}


def worth_a_look(run: Run) -> list[str]:
    """Returns what a reader might miss: dead experts, gradients against each other, features that are hardly there."""
    found = [f'The gate "{gate}" hardly draws on "{expert}".' for gate, expert in dead_experts(run.history.gates)]
    for pair, points in run.history.cosines.items():
        share = sum(value < 0 for value in points.values()) / len(points)
        if are_against(points):
            found.append(
                f"The gradients of {pair} are against each other in {percent_text(share)} of the steps looked at."
            )
    if run.evaluation is not None:
        found += run.evaluation.warnings
        for name, kinds in run.evaluation.counts.items():
            for kind in ("missing", "unknown"):
                share = kinds.get(kind, 0) / max(run.evaluation.num_examples, 1)
                if share >= _MUCH_MISSING:
                    what = "is missing in" if kind == "missing" else "is not in its vocabulary in"
                    found.append(f'The feature "{name}" {what} {percent_text(min(share, 1))} of the evaluation rows.')
    if run.history.num_broken:
        found.append(f"{counted(run.history.num_broken, 'line')} of the history could not be read.")
    return found


def networks(runs: Sequence[Run]) -> Element | None:
    """Returns the drawings of the networks, runs side by side."""
    parts: list[Child] = []
    for run in runs:
        if run.drawings:
            parts += [tag("h3", run.name) if len(runs) > 1 else None, tag("div", run.drawings, class_="stack")]
    note = (
        "Arrows go from what is read to what reads it; coloured ones from tower to tower (relation_tower_names), "
        "dashed ones from an event to what can only happen after it."
    )
    return section("Network", parts, note=note, id_="network") if parts else None


def features(runs: Sequence[Run]) -> Element | None:
    """Returns the features with what is missing or unknown of them, and what each task loses without them."""
    parts: list[Child] = []
    for run in runs:
        if run.features:
            parts += [tag("h3", run.name) if len(runs) > 1 else None, _features(run, len(runs) == 1)]
            skipped = run.evaluation.skipped_rows if run.evaluation else 0
            parts.append(
                tag("p", f"{counted(skipped, 'row')} could not be read and were left out.") if skipped else None
            )
            parts += _importance(run)
            parts += _training_counts(run)
    if not parts:
        return None
    note = (
        "Of the evaluation rows that were scored. Unknown values are not in a vocabulary or out of a range, and share "
        "row 0."
    )
    return section("Features", parts, note=note, id_="features")


def _features(run: Run, is_open: bool) -> Element:
    counts: Mapping[str, Mapping[str, int]] = run.evaluation.counts if run.evaluation else {}
    num_rows = run.evaluation.num_examples if run.evaluation else 0
    kinds = list(dict.fromkeys(kind for of in counts.values() for kind, number in of.items() if number))
    rows = []
    for one in run.features:
        own = counts.get(one.name, {})
        shares = [_share(own.get(kind, 0) / num_rows) for kind in kinds]
        coverage = [percent_text(max(1 - own.get("missing", 0) / num_rows, 0))] if num_rows else []
        rows.append([one.name, one.kind, ", ".join(one.inputs), one.table, *coverage, *shares])
    headers = [
        "feature",
        "type",
        "reads",
        "table (rows × width)",
        *(["has a value"] if num_rows else []),
        *(k.replace("_", " ") for k in kinds),
    ]
    return folded(counted(len(rows), "feature"), table(headers, rows, num_left=3), is_open=is_open and len(rows) <= 60)


def _share(share: float) -> Child:
    if not share:
        return ""
    text = percent_text(share)
    return tag("span", text, class_="alarm") if share >= _OFTEN else text


def _importance(run: Run) -> list[Child]:
    if run.importance is None:
        return []
    parts: list[Child] = []
    for task in dict.fromkeys(one.task for one in run.importance.found):
        ones = [one for one in run.importance.found if one.task == task]
        title = f"{task}: what {ones[0].metric} loses, which is {number_text(ones[0].value)} on these rows"
        parts.append(folded(title, _importance_table(ones), is_open=not parts))
    note = (
        "By permutation over the first rows: a feature is given the value of another row. Features that say the same "
        "stand in for each other."
    )
    return [tag("h3", "What each task needs"), tag("p", note, class_="note"), *parts]


def _importance_table(ones: Sequence[Importance]) -> Element:
    numbers = [number for one in ones for number in (one.loss, one.low, one.high, 0.0) if math.isfinite(number)]
    low, high = span(numbers)
    # One number of decimals for all, so that what is small looks small.
    decimals = min(max(3 - math.floor(math.log10(max(map(abs, numbers)) or 1.0)), 0), 8)
    rows: list[list[Child]] = []
    for one in ones[:_MOST_IMPORTANT]:
        interval = f"{one.low:.{decimals}f} to {one.high:.{decimals}f}" if math.isfinite(one.low) else ""
        drawn = whisker([(one.loss, one.low, one.high)], low, high, zero=True)
        rows.append([one.part, f"{one.loss:.{decimals}f}", tag("span", interval, class_="interval"), drawn])
    shown = table(["permuted", "worse by", "95 %", ""], rows)
    left = len(ones) - len(rows)
    rest = tag("p", f"{counted(left, 'feature')} with less are left out: easymtl importance tells all.", class_="note")
    return tag("div", shown, rest if left > 0 else None)


def _training_counts(run: Run) -> list[Child]:
    """Returns what was odd in the training rows, as the training has written it down."""
    try:
        found = json.loads((Path(run.model_dir) / ODDITIES_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(found, dict) or not found:
        return []
    rows = [[str(name), f"{number:,}"] for name, number in found.items() if isinstance(number, int)]
    return [folded("Odd values in the training rows", table(["what", "rows"], rows))]


def config(runs: Sequence[Run]) -> Element:
    """Returns the configs, and of several what the others have in place of the first one's lines."""
    parts: list[Child] = []
    first = runs[0]
    for run in runs[1:]:
        parts += [tag("h3", f"{first.name} → {run.name}"), _difference(first, run)]
    parts += [folded(f"Config of {run.name}", tag("pre", run.config.text())) for run in runs]
    return section("Config", parts, id_="config")


def _difference(one: Run, other: Run) -> Element:
    lines = list(
        difflib.unified_diff(one.config.text().splitlines(), other.config.text().splitlines(), "", "", lineterm="", n=2)
    )
    return tag("pre", marked(lines[2:])) if lines else tag("p", "The configs are the same.")


def notes(runs: Sequence[Run]) -> Element | None:
    """Returns what the trainings had to say."""
    parts: list[Child] = []
    for run in runs:
        if run.history.notes:
            parts += [
                tag("h3", run.name) if len(runs) > 1 else None,
                tag("ul", [tag("li", one) for one in run.history.notes]),
            ]
    return section("Notes of the training", parts, id_="notes") if parts else None
