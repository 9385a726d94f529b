"""Reads the text of a search space; what is wrong in it is told by line."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.message import Message

from easymtl.config.config import read_text
from easymtl.config.edit_paths import split_path
from easymtl.config.parser import Parser
from easymtl.config.problems import ConfigError, Findings, Places, Problem, sentence
from easymtl.config.rules.values import value_faults
from easymtl.errors import quoted
from easymtl.protos.tune_pb2 import SearchedField, SearchSpace

Fault = tuple[str, str]
_RANGES = ("float", "int", "choice")


@dataclass(frozen=True)
class Space:
    """A search space that is right by itself.

    Attributes:
        message: what was read.
        path: of its file.
        places: where each of its fields is written.
    """

    message: SearchSpace
    path: str
    places: Places

    @property
    def names(self) -> list[str]:
        """Returns the name of each searched field, in their order."""
        return names_of(self.message)

    def text(self) -> str:
        """Returns the space in a form that comments and blanks do not change."""
        return text_format.MessageToString(self.message, as_utf8=True)

    def error(self, faults: list[Fault]) -> ConfigError:
        """Returns the error of (path in the space, sentence) each."""
        return ConfigError(self.path, [_problem(self.places, path, text) for path, text in faults])


def read_space(path: str) -> Space:
    """Reads a search space.

    Raises:
        ConfigError: it is wrong; the text lists all that was found, by line.
        UserError: there is no such file.
    """
    return parse_space(read_text(path), path)


def parse_space(text: str, path: str = "space.textproto") -> Space:
    """Reads the text of a search space, as `read_space` does that of a file.

    Raises:
        ConfigError: it is wrong.
    """
    findings = Findings(Places(path))
    message = SearchSpace()
    Parser(text, findings).parse(message)
    problems = list(findings.problems)
    if not problems:
        problems = [_problem(findings.places, *fault) for fault in _faults(message)]
    if problems:
        raise ConfigError(path, problems, more_to_come=findings.is_broken)
    return Space(message, path, findings.places)


def names_of(message: SearchSpace) -> list[str]:
    """Returns the given names, and for fields without one the last name of the path where no other has it."""
    last = [field.name or split_path(field.path[0])[-1].partition("[")[0] for field in message.field]
    return [name if field.name or last.count(name) == 1 else field.path[0] for field, name in zip(message.field, last)]


def _problem(places: Places, path: str, text: str) -> Problem:
    return Problem(places.where(path), sentence(path, text), places.position(path))


def _faults(message: SearchSpace) -> Iterator[Fault]:
    if not message.field and not message.HasField("task_weights"):
        yield (
            "",
            'the space is empty. Name a field: field { path: "model_config.mmoe.num_expert" int { low: 2 high: 8 } }',
        )
    yield from value_faults(message)
    for index, field in enumerate(message.field):
        yield from _field_faults(f"field[{index}]", field)
    if all(field.path for field in message.field):
        names = names_of(message)
        for index, name in enumerate(names):
            if name in names[:index]:
                yield f"field[{index}]", f'is a second one of the name "{name}". Give it another name.'
    if message.HasField("task_weights"):
        yield from _weights_faults(message)


def _field_faults(path: str, field: SearchedField) -> Iterator[Fault]:
    if not any(field.path):
        yield path, 'names no path. Write path: "model_config.mmoe.num_expert", as behind --set.'
    kind = field.WhichOneof("range")
    if kind is None:
        yield path, f"has no range. Write one of {quoted(_RANGES)}: float {{ low: 1e-4 high: 1e-2 log: true }}."
    elif kind == "choice":
        values = list(field.choice.value)
        if len(set(values)) < 2:
            yield f"{path}.choice", f"has {quoted(values) or 'no value'}; at least two different values are needed."
        elif len(set(values)) < len(values):
            twice = next(value for place, value in enumerate(values) if value in values[:place])
            yield f"{path}.choice", f'has "{twice}" twice.'
    else:
        yield from _number_faults(f"{path}.{kind}", getattr(field, kind))


def _number_faults(path: str, numbers: Message) -> Iterator[Fault]:
    low, high, step = numbers.low, numbers.high, numbers.step
    missing = [name for name in ("low", "high") if not numbers.HasField(name)]
    if missing:
        yield path, f"has no {' and no '.join(missing)}: both ends are needed."
    elif not (math.isfinite(low) and math.isfinite(high)):
        return
    elif low >= high:
        yield path, f"low is {low:g} and high is {high:g}: low has to be smaller."
    elif numbers.log and low <= 0:
        yield f"{path}.low", f"is {low:g}; with log: true it has to be above 0."
    elif numbers.log and numbers.HasField("step"):
        yield f"{path}.step", "and log exclude each other. Leave one of them out."
    elif numbers.HasField("step") and step > high - low:
        yield f"{path}.step", f"is {step:g}, more than from low to high ({high - low:g})."


def _weights_faults(message: SearchSpace) -> Iterator[Fault]:
    weights = message.task_weights
    if weights.WhichOneof("range") is None:
        yield "task_weights", "has no range. Write simplex {} or log_range { low: 0.1 high: 10 }."
    if weights.HasField("log_range") and weights.log_range.low >= weights.log_range.high:
        low, high = weights.log_range.low, weights.log_range.high
        yield "task_weights.log_range", f"low is {low:g} and high is {high:g}: low has to be smaller."
