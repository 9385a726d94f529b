"""What would have to be drawn for a trial that is the config as it stands."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.edit_paths import field_at, written_paths
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tuning.sampling import WEIGHT, Drawn, simplex_parts, weight_paths
from easymtl.tuning.space import Space

_NUMBERS = {"float": float, "int": int}


def current_values(space: Space, pipeline: Pipeline) -> dict[str, Drawn] | None:
    """Returns what is drawn where a trial is the config itself; None where a range does not hold what it has.

    Args:
        space: that `check_space` has approved.
        pipeline: the config.
    """
    drawn: dict[str, Drawn] = {}
    for name, field in zip(space.names, space.message.field):
        kind = field.WhichOneof("range")
        values = [_value(pipeline, one) for path in field.path for one in written_paths(pipeline, path)]
        if any(value != values[0] for value in values):
            return None
        value = _chosen(field.choice.value, values[0]) if kind == "choice" else values[0]
        if kind != "choice" and not _is_drawn(value, kind, getattr(field, kind)):
            return None
        if value is None:
            return None
        drawn[name] = value if kind == "choice" else _NUMBERS[kind](value)
    weights = _weights(space, pipeline)
    return None if weights is None else drawn | weights


def _value(pipeline: Pipeline, path: str) -> Any:
    """Returns the value at a path with plain indexes, a 32-bit float as it was written; None where there is none."""
    descriptor, value = field_at(pipeline, path) or (None, None)
    is_single = descriptor is not None and not isinstance(value, Message) and not hasattr(value, "append")
    return _plain(descriptor, value) if is_single else value


def _plain(descriptor: FieldDescriptor, value: Any) -> Any:
    if descriptor.enum_type is not None:
        return descriptor.enum_type.values_by_number[value].name
    if isinstance(value, bool):
        return str(value).lower()
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _chosen(choices: Sequence[str], value: Any) -> str | None:
    """Returns the choice that a value is, compared without blanks and quotes."""
    if isinstance(value, Message) or value is None:
        return None
    items = list(value) if hasattr(value, "append") else None
    text = f"[{','.join(f'{one:g}' if isinstance(one, float) else str(one) for one in items)}]" if items else str(value)
    wanted = {_bare(text), _bare(text).strip("[]") if items and len(items) == 1 else _bare(text)}
    return next((choice for choice in choices if _bare(choice) in wanted or _same_number(choice, value)), None)


def _bare(text: str) -> str:
    return "".join(text.split()).replace('"', "").replace("'", "")


def _same_number(choice: str, value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and float(choice) == value
    except ValueError:
        return False


def _is_drawn(value: Any, kind: str, numbers: Any) -> bool:
    """Returns whether a range holds a number, steps counted."""
    if not isinstance(value, (int, float)) or not numbers.low <= value <= numbers.high:
        return False
    if not numbers.HasField("step"):
        return True
    steps = (value - numbers.low) / numbers.step
    return abs(steps - round(steps)) < 1e-6


def _weights(space: Space, pipeline: Pipeline) -> dict[str, Drawn] | None:
    paths = weight_paths(space, pipeline)
    if not paths:
        return {}
    weights = {
        tower.tower_name: float(f"{tower.weight:.7g}")
        for tower in view.task_towers(pipeline)
        if tower.tower_name in paths
    }
    message = space.message.task_weights
    if message.WhichOneof("range") == "log_range":
        low, high = message.log_range.low, message.log_range.high
        is_held = all(low <= weight <= high for weight in weights.values())
        return {f"{WEIGHT}{name}": weight for name, weight in weights.items()} if is_held else None
    # A simplex holds the ratios; weights that sum to another number would be another learning rate.
    if abs(sum(weights.values()) - len(weights)) > 1e-3:
        return None
    parts = simplex_parts(list(weights.values()), message.simplex.least)
    return None if parts is None else {f"share of {name}": part for name, part in zip(weights, parts)}
