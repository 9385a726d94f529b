"""Places in a config, and the problems found there, collected so that all of them are reported at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from easymtl.errors import UserError

_MOST_SHOWN = 100
_INDEX = re.compile(r"\[[^\[\]]*\]$")
T = TypeVar("T")


class Position(NamedTuple):
    """A place in the config text, both counted from 1. Line 0 is a `--set` on the command line."""

    line: int
    column: int


SET_POSITION = Position(0, 0)


@dataclass(frozen=True)
class Problem:
    """A mistake in a config.

    Attributes:
        where: The place as messages show it: `x.config:41`.
        text: What is wrong.
        position: The place in the list of all.
        settled_by: The path that a `--set` has to write anew, or one around it, so that nothing is wrong any more;
            empty when none can.
    """

    where: str
    text: str
    position: Position | None = None
    settled_by: str = ""

    @property
    def order(self) -> tuple[float, float]:
        """The place in the list: by line, then what is wrong with the whole file, then with `--set`."""
        if self.position is None:
            return (float("inf"), 0)
        return (float("inf"), 1) if self.position == SET_POSITION else self.position

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ConfigError(UserError):
    """All that is wrong with one config; `problems` holds one entry each, in the order of the file."""

    def __init__(self, path: str, problems: list[Problem], more_to_come: bool = False):
        self.problems = sorted(dict.fromkeys(problems), key=lambda problem: problem.order)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        rest = " (other rules are checked once its braces and quotes are right)" if more_to_come else ""
        lines = [f"{count} in {path}{rest}:", *map(str, self.problems[:_MOST_SHOWN])]
        if len(self.problems) > _MOST_SHOWN:
            lines.append(f"... and {len(self.problems) - _MOST_SHOWN} more")
        super().__init__("\n".join(lines))


@dataclass
class Places:
    """Where each field of a message was written, under paths such as `train_config.optimizer_config[0]`."""

    path: str
    positions: dict[str, Position] = field(default_factory=dict)

    def position(self, field_path: str) -> Position | None:
        """Returns the position of a field or, when it is not written, of the nearest message around it."""
        while field_path:
            if field_path in self.positions:
                return self.positions[field_path]
            field_path = parent(field_path)
        return None

    def where(self, field_path: str) -> str:
        """Returns `x.config:41` of a field, `--set` when it was set there, the file when it is nowhere."""
        return self.line(self.position(field_path))

    def line(self, position: Position | None, with_column: bool = False) -> str:
        """Returns a position as messages show it: `x.config:41` or `x.config:41:7`."""
        if position is None:
            return self.path
        if position == SET_POSITION:
            return "--set"
        return f"{self.path}:{position.line}" + (f":{position.column}" if with_column else "")

    def forget(self, field_path: str) -> None:
        """Drops the position of a field and of all below it."""
        for known in [known for known in self.positions if _is_within(known, field_path)]:
            del self.positions[known]


@dataclass
class Findings:
    """What reading found beside the message itself.

    Attributes:
        places: The position of every field that was read.
        problems: The mistakes.
        remarks: What has no effect: the full name of the field, and where it was met.
        damaged: Paths of fields that were left out because of a problem, or seem to have been meant by a name that
            does not exist; what a rule says of their absence would mislead.
        unremarkable: Paths of what has no reader because of `--tasks`; no note is made of them.
        is_broken: Whether braces or quotes do not match, so that fields may have landed in the wrong message.
    """

    places: Places
    problems: list[Problem] = field(default_factory=list)
    remarks: list[tuple[str, Problem]] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    unremarkable: set[str] = field(default_factory=set)
    is_broken: bool = False

    @property
    def ignored(self) -> dict[str, Problem]:
        """What has no effect, by the full name of the field, where it was met first."""
        first: dict[str, Problem] = {}
        for name, remark in self.remarks:
            first.setdefault(name, remark)
        return first

    def settle(self, path: str) -> None:
        """Drops what is known of a field and of all below it, which a `--set` has replaced."""
        self.problems = [problem for problem in self.problems if not _is_within(problem.settled_by, path)]
        self.remarks = [(name, remark) for name, remark in self.remarks if not _is_within(remark.settled_by, path)]
        self.damaged = {damaged for damaged in self.damaged if not _is_within(damaged, path)}
        self.places.forget(path)

    def renumber(self, list_path: str, kept: Sequence[int]) -> None:
        """Moves what is known of the items of a list to their new places; of the items that are gone it is dropped."""
        moves = {f"{list_path}[{old}]": f"{list_path}[{new}]" for new, old in enumerate(kept)}
        self.places.positions = _moved(self.places.positions, list_path, moves)
        self.damaged = set(_moved(dict.fromkeys(self.damaged), list_path, moves))


def _is_within(field_path: str, around: str) -> bool:
    return field_path == around or field_path.startswith((around + ".", around + "["))


def _moved(known: Mapping[str, T], list_path: str, moves: Mapping[str, str]) -> dict[str, T]:
    result = {}
    for path, value in known.items():
        if not path.startswith(f"{list_path}["):
            result[path] = value
            continue
        item, bracket, rest = path[len(list_path) :].partition("]")
        moved = moves.get(f"{list_path}{item}{bracket}")
        if moved is not None:
            result[moved + rest] = value
    return result


def parent(field_path: str) -> str:
    """Returns the path without its last step: `a.b[1]` -> `a.b` -> `a` -> the empty path."""
    if _INDEX.search(field_path):
        return _INDEX.sub("", field_path)
    return field_path.rpartition(".")[0]


def oneof_path(field_path: str, oneof: str) -> str:
    """Returns what stands for the choice among the members of a oneof, given the path of one of them."""
    return join(parent(field_path), f"<{oneof}>")


def sentence(field_path: str, text: str) -> str:
    """Returns what is said of a field: a text behind the last two steps of its path."""
    return " ".join([*filter(None, [".".join(field_path.split(".")[-2:])]), text])


def join(field_path: str, name: str) -> str:
    """Returns the path of a field inside a message."""
    return f"{field_path}.{name}" if field_path else name
