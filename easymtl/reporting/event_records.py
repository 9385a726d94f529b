"""Events of training as flat JSON objects: for logs that programs read, and for the history that a run keeps."""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from easymtl.reporting.outcomes import Outcome
from easymtl.training import events

_UNSAID = {
    events.Summary: {"variables"},
    events.Evaluated: {"thresholds", "tables"},
    events.Gates: {"counts"},
}
"""Fields that are for those who listen in the same process."""


def event_record(event: events.Event, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """Returns an event as what `json.dumps` takes.

    The keys are `event`, its kind (`started`, `progress`, `summary`, `gradient_conflict`, `gates`, `evaluated`,
    `saved`, `started_from`, `phase`, `note`), `time` in seconds since 1970, and the attributes of its class in
    `easymtl.training.events`. What is not finite is null.

    Args:
        event: what happened.
        clock: seconds since 1970.
    """
    kind = _snake(type(event))
    unsaid = _UNSAID.get(type(event), ())
    names = [field.name for field in dataclasses.fields(event) if field.name not in unsaid]
    return {"event": kind, "time": clock(), **{name: _plain(getattr(event, name)) for name in names}}


def outcome_record(verb: str, outcome: Outcome, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """Returns what has come of a command as what `json.dumps` takes.

    The keys are `event`, which is `result`, `time`, `command`, `of`, the kind of outcome, such as `trained` or
    `exported`, and the attributes of its class in `easymtl.reporting.outcomes`.

    Args:
        verb: the command.
        outcome: what has come of it.
        clock: seconds since 1970.
    """
    names = [field.name for field in dataclasses.fields(outcome)]
    head = {"event": "result", "time": clock(), "command": verb, "of": _snake(type(outcome))}
    return {**head, **{name: _plain(getattr(outcome, name)) for name in names}}


def _snake(kind: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _plain(value: Any) -> Any:
    """Returns a value as numbers, texts, lists and maps."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Path):
        return str(value)
    number = float(value)
    return number if math.isfinite(number) else None
