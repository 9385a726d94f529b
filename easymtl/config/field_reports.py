"""What is wrong with a field, or to be noted of it, as its text is read: collected with its place."""

import re

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.lexer import Token
from easymtl.config.problems import Findings, Position, Problem, join, oneof_path
from easymtl.config.scalars import Scalar
from easymtl.protos import options_pb2

_MOST_PROBLEMS = 100
_ITEM = re.compile(r"\[\d+\]$")
_REMOVE = "Remove one of them."
_HOW_TO_HAVE_BOTH = {
    "easymtl.EvalMetrics.metric": "Write a second metrics_set { } for it.",
    "easymtl.SampleWeight.factor": "Write a second sample_weights { } for it: they are multiplied.",
}


class ManyProblems(Exception):
    """The text is so far from a config that more problems would not help."""


class FieldReports:
    """Collects the problems and notes of one text.

    Args:
        findings: Where they go.
        fixed_position: The position of everything in the text, for a `--set` value.
    """

    def __init__(self, findings: Findings, fixed_position: Position | None = None):
        self._findings = findings
        self._fixed_position = fixed_position

    def position(self, token: Token) -> Position:
        """Returns the place of a token, or that of the whole text."""
        return self._fixed_position or Position(token.line, token.column)

    def report(self, token: Token, path: str, text: str, damages: bool = False, settled_by: str | None = None) -> None:
        """Adds a problem.

        Args:
            token: Where it is.
            path: What is wrong.
            text: What is wrong with it.
            damages: Whether the field is left out because of it.
            settled_by: The field that a `--set` can write anew, so that nothing is wrong; by default the one at `path`.

        Raises:
            ManyProblems: it is the last one that is of use.
        """
        position = self.position(token)
        where = self._findings.places.line(position, with_column=True)
        shown_path = f"{path}: " if self._fixed_position and not text.startswith(path) else ""
        if settled_by is None:
            # An item that is left out has no place in its list: the one behind it has taken that.
            settled_by = _ITEM.sub("", path) if damages else path
        self._findings.problems.append(Problem(where, shown_path + text, position, settled_by))
        if damages:
            self._findings.damaged.add(path)
        if len(self._findings.problems) >= _MOST_PROBLEMS:
            raise ManyProblems

    def broken(self, token: Token, path: str, text: str) -> None:
        """Adds a problem of braces or quotes: fields may have landed in the wrong message."""
        self._findings.is_broken = True
        self.report(token, path, text, settled_by="")

    def ignore(self, token: Token, name: str, path: str, sentence: str) -> None:
        """Notes that something has no effect."""
        position = self.position(token)
        remark = Problem(self._findings.places.line(position), sentence, position, path)
        self._findings.remarks.append((name, remark))

    def is_allowed(self, descriptor: FieldDescriptor, path: str, token: Token) -> bool:
        """Returns whether a field may be set; reports one that may not, and notes one that is ignored."""
        options = descriptor.GetOptions().Extensions
        if options[options_pb2.refused]:
            self.report(token, path, f"{descriptor.name} is not supported. {options[options_pb2.refused]}")
            return False
        if options[options_pb2.later]:
            self.report(token, path, f"{descriptor.name} is not supported yet. {options[options_pb2.later]}")
            return False
        if options[options_pb2.ignored]:
            text = f"{descriptor.name} is ignored. {options[options_pb2.ignored]}"
            self.ignore(token, descriptor.full_name, path, text)
        return True

    def check_enum_value(self, descriptor: FieldDescriptor, scalar: Scalar, path: str, token: Token) -> None:
        """Reports an enum value that is not supported, and notes one that is ignored."""
        if descriptor.enum_type is None:
            return
        value = descriptor.enum_type.values_by_number[scalar]
        options = value.GetOptions().Extensions
        shown = f"{descriptor.name} {value.name}"
        if options[options_pb2.value_refused]:
            self.report(token, path, f"{shown} is not supported. {options[options_pb2.value_refused]}")
        elif options[options_pb2.value_later]:
            self.report(token, path, f"{shown} is not supported yet. {options[options_pb2.value_later]}")
        elif options[options_pb2.value_ignored]:
            name = f"{descriptor.full_name}={value.name}"
            self.ignore(token, name, path, f"{shown}: {options[options_pb2.value_ignored]}")

    def check_twice(self, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        """Reports a field that has been set before."""
        first = self._findings.places.positions.get(path)
        if first is None or self._fixed_position:
            return
        text = f"{descriptor.name} is set twice, on lines {first.line} and {name.line}. Keep one of them."
        self.report(name, path, text)

    def check_oneof(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        """Reports a second member of a oneof: protobuf would silently drop the first."""
        oneof = descriptor.containing_oneof
        chosen = oneof and message.WhichOneof(oneof.name)
        if not chosen or chosen == descriptor.name or self._fixed_position:
            return
        first = self._findings.places.position(join(path.rpartition(".")[0], chosen))
        line = first.line if first else 0
        text = (
            f"{descriptor.name} (line {name.line}) and {chosen} (line {line}) exclude each other: "
            f"of {oneof.name} only one can be set. {_HOW_TO_HAVE_BOTH.get(oneof.full_name, _REMOVE)}"
        )
        self.report(name, path, text, settled_by=oneof_path(path, oneof.name))
