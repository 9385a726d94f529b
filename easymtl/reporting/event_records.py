"""Events of training as flat JSON objects: for logs that programs read, and for the history that a run keeps."""

import dataclasses
import math
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    unsaid = _UNSAID.get(type(event), ())
    names = [field.name for field in dataclasses.fields(event) if field.name not in unsaid]
    return {"event": kind, "time": clock(), **{name: _plain(getattr(event, name)) for name in names}}


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
