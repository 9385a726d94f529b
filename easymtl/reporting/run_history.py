"""What a training has written down of itself: `model_dir/history.jsonl`, one `event_record` a line."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.errors import UserError
from easymtl.reporting.history import HISTORY_NAME, parsed

Points = dict[float, float]
"""Values by step."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation during training.

    Attributes:
        step: updates made.
        metrics: by name; what is not defined is left out.
        is_best: whether it was the best so far.
        num_examples: rows that were scored; 0 where that is not known.
    """

    step: int
    metrics: Mapping[str, float]
    is_best: bool = False
    num_examples: int = 0


@dataclass
class RunHistory:
    """A training as its events tell it.

    Attributes:
        evaluations: in the order of their steps.
        losses: training losses by name, `loss` among them.
        cosines: between the gradients of two tasks, by `<task>/<task>`.
        gates: gate -> expert -> mean weight by step.
        seconds: by phase.
        speed: examples per second.
        wait: share of the time in which the step waited for input.
        parameters: trained numbers by kind.
        precision: of the network.
        notes: what was to be known, each once.
        is_recorded: whether there is a history at all, and not only what checkpoints know.
        num_broken: lines that are no events.
    """

    evaluations: list[Evaluated] = field(default_factory=list)
    losses: dict[str, Points] = field(default_factory=dict)
    cosines: dict[str, Points] = field(default_factory=dict)
    gates: dict[str, dict[str, Points]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    speed: Points = field(default_factory=dict)
    wait: Points = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    precision: str = ""
    notes: list[str] = field(default_factory=list)
    is_recorded: bool = True
    num_broken: int = 0


def read_run_history(model_dir: str | Path) -> RunHistory:
    """Returns the history of a model_dir; of one without that file what its checkpoints and last evaluation tell.

    Lines that are no event, such as the last one of a training that was killed, are counted and left out.
    """
    path = Path(model_dir) / HISTORY_NAME
    try:
        # Not by `splitlines`, to which letters of a text may end a line.
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return _of_checkpoints(Path(model_dir))
    history = RunHistory()
    found = list(parsed(lines))
    records = [record for record in found if record is not None]
    history.num_broken = len(found) - len(records)
    for record in records:
        _TAKEN.get(record["event"], lambda history, record: None)(history, record)
    history.evaluations.sort(key=lambda one: one.step)
    history.seconds = phase_seconds(records)
    return history


def _number(value: object) -> float:
    """Returns a finite number, or NaN."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else math.nan  # type: ignore[arg-type]


def _numbers(value: object) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(key): number for key, one in pairs if math.isfinite(number := _number(one))}


def _take_started(history: RunHistory, record: Mapping[str, Any]) -> None:
    history.parameters = _numbers(record.get("num_parameters"))
    history.precision = str(record.get("precision", ""))


def _take_losses(history: RunHistory, record: Mapping[str, Any]) -> None:
    step = _number(record.get("step"))
    if math.isnan(step):
        return
    for name, value in _numbers(record.get("losses")).items():
        history.losses.setdefault(name, {})[step] = value
    for points, name in ((history.speed, "examples_per_second"), (history.wait, "wait_share")):
        if math.isfinite(value := _number(record.get(name))):
            points[step] = value


def _take_conflict(history: RunHistory, record: Mapping[str, Any]) -> None:
    step = _number(record.get("step"))
    if math.isfinite(step):
        for pair, value in _numbers(record.get("cosines")).items():
            history.cosines.setdefault(pair, {})[step] = value


def _take_gates(history: RunHistory, record: Mapping[str, Any]) -> None:
    step, weights = _number(record.get("step")), record.get("weights")
    if math.isfinite(step) and isinstance(weights, dict):
        for gate, experts in weights.items():
            for expert, value in _numbers(experts).items():
                history.gates.setdefault(gate, {}).setdefault(expert, {})[step] = value


def _take_evaluated(history: RunHistory, record: Mapping[str, Any]) -> None:
    step, rows = _number(record.get("step")), _number(record.get("num_examples"))
    if math.isfinite(step):
        count = int(rows) if math.isfinite(rows) else 0
        found = Evaluated(int(step), _numbers(record.get("metrics")), record.get("is_best") is True, count)
        history.evaluations = [one for one in history.evaluations if one.step != found.step] + [found]


def _take_note(history: RunHistory, record: Mapping[str, Any]) -> None:
    text = record.get("text")
    if isinstance(text, str) and text not in history.notes:
        history.notes.append(text)


_TAKEN = {
    "started": _take_started,
    "progress": _take_losses,
    "summary": _take_losses,
    "gradient_conflict": _take_conflict,
    "gates": _take_gates,
    "evaluated": _take_evaluated,
    "note": _take_note,
}
_MADE_OF_STEPS = ("progress", "summary", "gradient_conflict", "evaluated", "saved")
_FIRST = ("started", "reading", "building", "started_from")


def phase_seconds(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Returns how long each phase took in all.

    A phase lasts until the next one; what tells of steps, and what comes behind an evaluation and a save, is training.
    The time between the end of one run and the start of the next is nobody's.
    """
    seconds: dict[str, float] = {}
    name, before, has_trained = "", math.nan, False
    for record in records:
        kind, now = record["event"], _number(record.get("time"))
        if math.isnan(now):
            continue
        phase = str(record.get("name", "")) if kind == "phase" else ""
        is_new_run = has_trained and (kind in _FIRST or phase in _FIRST)
        if name and now >= before and not is_new_run:
            seconds[name] = seconds.get(name, 0.0) + now - before
        has_trained = (has_trained and not is_new_run) or kind in _MADE_OF_STEPS
        name = phase or ("training" if kind in (*_MADE_OF_STEPS, "started") else name)
        before = now
    return {name: time for name, time in seconds.items() if time > 0}


def _of_checkpoints(model_dir: Path) -> RunHistory:
    history = RunHistory(is_recorded=False)
    for checkpoint in CheckpointFolder(model_dir).all():
        try:
            state = checkpoint.state()
        except UserError:
            continue
        metrics = _numbers(state.get("metrics"))
        if metrics and state.get("evaluated_step", checkpoint.step) == checkpoint.step:
            is_best = state.get("best", {}).get("step") == checkpoint.step
            history.evaluations.append(Evaluated(checkpoint.step, metrics, is_best))
    return history
