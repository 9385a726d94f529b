"""What a trial draws, and the overrides of a config that this comes to.

A study draws a `Draw` for each searched field, and for task weights one for each weight or, on a simplex of n towers,
n - 1 parts of a stick that is broken: with u uniform in [0, 1], part k of n takes 1 - (1 - u)^(1 / (n - k)) of what is
left, so that all mixtures are alike (the inverse of the Beta(1, n - k) distribution).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from easymtl.config import view
from easymtl.config.edits import Override
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tuning.space import Space

Drawn = float | int | str
WEIGHT = "weight of "
_DIGITS = 4
# Of a 32-bit float, as all numbers of configs are.
_MOST_DIGITS = 7


class Suggests(Protocol):
    """What draws: a trial of Optuna."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """Returns a number."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """Returns a whole number."""

    def suggest_categorical(self, name: str, choices: Sequence[str]) -> str:
        """Returns one of the choices."""


@dataclass(frozen=True)
class Draw:
    """A number or a text that is drawn.

    Attributes:
        name: in the study.
        draw: asks a trial for it.
        ends: the smallest and the largest, or all choices.
        paths: of the config that it is set at; empty for a part of a simplex.
    """

    name: str
    draw: Callable[[Suggests], Drawn]
    ends: tuple[Drawn, ...]
    paths: tuple[str, ...] = ()


def draws_of(space: Space, pipeline: Pipeline) -> list[Draw]:
    """Returns what is drawn of a space, in its order.

    Args:
        space: that `check_space` has approved.
        pipeline: the config.
    """
    found = []
    for name, field in zip(space.names, space.message.field):
        kind = field.WhichOneof("range")
        draw = _choice(name, field.choice) if kind == "choice" else _number(name, kind, getattr(field, kind))
        found.append(Draw(draw.name, draw.draw, draw.ends, tuple(field.path)))
    return [*found, *_weights(space, pipeline)]


def _choice(name: str, choice) -> Draw:
    values = tuple(choice.value)
    return Draw(name, lambda trial: trial.suggest_categorical(name, values), values)


def _number(name: str, kind: str, numbers) -> Draw:
    low, high, log = numbers.low, numbers.high, numbers.log
    if kind == "int":
        step = numbers.step
        return Draw(name, lambda trial: trial.suggest_int(name, low, high, step=step, log=log), (low, high))
    spacing = numbers.step if numbers.HasField("step") else None
    return Draw(name, lambda trial: trial.suggest_float(name, low, high, step=spacing, log=log), (low, high))


def _weights(space: Space, pipeline: Pipeline) -> list[Draw]:
    if not space.message.HasField("task_weights"):
        return []
    weights, paths = space.message.task_weights, weight_paths(space, pipeline)
    if weights.WhichOneof("range") == "simplex":
        return [_part(f"share of {tower}") for tower in list(paths)[:-1]]
    low, high = weights.log_range.low, weights.log_range.high
    return [_weight(f"{WEIGHT}{tower}", low, high, path) for tower, path in paths.items()]


def _part(name: str) -> Draw:
    return Draw(name, lambda trial: trial.suggest_float(name, 0.0, 1.0, step=None, log=False), (0.0, 1.0))


def _weight(name: str, low: float, high: float, path: str) -> Draw:
    return Draw(name, lambda trial: trial.suggest_float(name, low, high, step=None, log=True), (low, high), (path,))


def weight_paths(space: Space, pipeline: Pipeline) -> dict[str, str]:
    """Returns the path of the weight of each tower that `task_weights` names, in the order of the config."""
    if not space.message.HasField("task_weights"):
        return {}
    chosen = space.message.task_weights.tower
    towers = {
        tower.tower_name: f"{path}.weight"
        for tower, path in zip(view.task_towers(pipeline), view.task_tower_paths(pipeline))
    }
    return {name: path for name, path in towers.items() if not chosen or name in chosen}


def settings_of(space: Space, pipeline: Pipeline, drawn: Mapping[str, Drawn]) -> dict[str, str]:
    """Returns what a trial is made with, by the names of tables: values of fields, weights of towers.

    Args:
        space: the space.
        pipeline: the config.
        drawn: by the names of `draws_of`.
    """
    found = {name: _text(drawn[name]) for name in space.names}
    return found | {f"{WEIGHT}{tower}": text for tower, text in _weight_texts(space, pipeline, drawn).items()}


def overrides_of_drawn(
    space: Space, pipeline: Pipeline, drawn: Mapping[str, Drawn], flag: str | None = None
) -> list[str]:
    """Returns the `path=value` of what was drawn.

    Args:
        space: the space.
        pipeline: the config.
        drawn: by the names of `draws_of`.
        flag: what messages call each of them; by default its name.
    """
    found = [
        Override.of(flag or name, path, _text(drawn[name]))
        for name, field in zip(space.names, space.message.field)
        for path in field.path
    ]
    paths = weight_paths(space, pipeline)
    for tower, text in _weight_texts(space, pipeline, drawn).items():
        found.append(Override.of(flag or f"{WEIGHT}{tower}", paths[tower], text))
    return list(found)


def _weight_texts(space: Space, pipeline: Pipeline, drawn: Mapping[str, Drawn]) -> dict[str, str]:
    towers = list(weight_paths(space, pipeline))
    weights = space.message.task_weights
    if not towers:
        return {}
    if weights.WhichOneof("range") == "log_range":
        return {tower: _text(drawn[f"{WEIGHT}{tower}"]) for tower in towers}
    parts = [float(drawn[f"share of {tower}"]) for tower in towers[:-1]]
    return {tower: _text(weight) for tower, weight in zip(towers, simplex_weights(parts, weights.simplex.least))}


def simplex_weights(parts: Sequence[float], least: float) -> list[float]:
    """Returns weights that sum to their number n, none below n * least; uniform where the parts are.

    Args:
        parts: n - 1 numbers of [0, 1].
        least: the smallest share of the sum.
    """
    number, left, shares = len(parts) + 1, 1.0, []
    for place, part in enumerate(parts):
        share = left * (1.0 - (1.0 - part) ** (1.0 / (number - 1 - place)))
        shares.append(share)
        left -= share
    shares.append(left)
    return [number * (least + (1.0 - number * least) * share) for share in shares]


def simplex_parts(weights: Sequence[float], least: float) -> list[float] | None:
    """Returns the parts of which `simplex_weights` makes weights in these ratios; None where one is too small."""
    number, total = len(weights), sum(weights)
    if total <= 0 or number * least >= 1:
        return None
    shares = [(weight / total - least) / (1.0 - number * least) for weight in weights]
    if min(shares) < -1e-9:
        return None
    left, parts = 1.0, []
    for place, share in enumerate(shares[:-1]):
        taken = min(max(share / left, 0.0), 1.0) if left > 0 else 0.0
        parts.append(1.0 - (1.0 - taken) ** (number - 1 - place))
        left -= share
    return parts


def _text(value: Drawn) -> str:
    """Returns what is drawn as it stands in a config.

    A number has four digits, which is as fine as a search is; one of a step, and one that a config has itself, stays.
    """
    if not isinstance(value, float):
        return str(value)
    written = float(f"{value:.{_MOST_DIGITS}g}")
    is_written = math.isclose(value, written, rel_tol=1e-12)
    return repr(written if is_written else float(f"{value:.{_DIGITS}g}"))
