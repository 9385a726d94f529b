"""Parts of data, one after the other, as a person sees them: how each was scored before it was trained on."""

from collections.abc import Sequence

from rich.console import Console as Terminal

from easymtl.reporting.formats import counted, number_text
from easymtl.reporting.names import is_metric, split_result
from easymtl.reporting.tables import print_metrics, print_table
from easymtl.reporting.terminal import print_line
from easymtl.training.events import PartScored, PartTrained


def print_scored(terminal: Terminal, event: PartScored, towers: Sequence[str]) -> None:
    """Prints what was found in a part before it is trained on."""
    how = "scored before it is trained on" if event.metrics else "read: there is no model yet that could score it"
    print_line(terminal, f"Part {event.number}, {event.part}: {counted(event.rows, 'row')} {how}", "bold")
    metrics = {name: float("nan") if value is None else value for name, value in event.metrics.items()}
    print_metrics(metrics, towers, terminal, warnings=event.warnings)
    print_drift(terminal, event)


def print_drift(terminal: Terminal, event: PartScored) -> None:
    """Prints what has moved far in a part."""
    for text in event.drift:
        print_line(terminal, f"Warning: {event.part}: {text}", "yellow")


def print_parts(terminal: Terminal, parts: Sequence[PartTrained], towers: Sequence[str]) -> None:
    """Prints a row for each part: its rows, its metrics before it was trained on, its mean labels and scores."""
    if not parts:
        return
    names = first_metrics(parts, towers)
    means = [tower for tower in towers if any(tower in part.labels for part in parts)]
    headers = ["part", "rows", "step", *names, *(f"{tower} label / score" for tower in means)]
    print_table(terminal, headers, (_row(part, names, means) for part in parts))


def first_metrics(parts: Sequence[PartTrained], towers: Sequence[str]) -> list[str]:
    """Returns the first metric of each tower, and `loss`."""
    known = list(dict.fromkeys(name for part in parts for name in part.metrics))
    first: dict[str, str] = {}
    for name in known:
        kind, tower = split_result(name, towers)
        if tower is not None and is_metric(kind):
            first.setdefault(tower, name)
    return [*(first[tower] for tower in towers if tower in first), *(["loss"] if "loss" in known else [])]


def _row(part: PartTrained, names: Sequence[str], towers: Sequence[str]) -> list[str]:
    name = f"{part.part}{' (late)' if part.is_late else ''}{'' if part.is_whole else ' (not whole)'}"
    metrics = [_text(part.metrics.get(metric)) for metric in names]
    means = [f"{_text(part.labels.get(tower))} / {_text(part.scores.get(tower))}" for tower in towers]
    return [name, f"{part.rows:,}", f"{part.step:,}", *metrics, *means]


def _text(value: float | None) -> str:
    return "-" if value is None else number_text(value)
