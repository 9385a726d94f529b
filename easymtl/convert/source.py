"""The config that is converted, as nodes that remember which of their fields were read.

A rule reads a field with `take`, `texts`, `node` or `nodes`. What no rule has read at the end is in the report: nothing
is dropped in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Optional

from google.protobuf.message import Message

from easymtl.config.parser import Parser
from easymtl.config.problems import ConfigError, Findings, Places, join, parent
from easymtl.convert.dialect import new_config
from easymtl.convert.report import Kind, Report
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

_WHOLE = ".*"


@dataclass
class _Record:
    """What all nodes of a source have in common.

    Attributes:
        places: where its fields are written.
        report: where remarks go.
        read: paths of the fields that were read; with `.*` behind them, together with all below.
        subjects: what a message is about, by its path.
    """

    places: Places
    report: Report
    read: set[str] = field(default_factory=set)
    subjects: dict[str, str] = field(default_factory=dict)


class Node:
    """A message of the source.

    Attributes:
        message: the message itself.
        path: where it stands, such as `feature_configs[3].id_feature`.
    """

    def __init__(self, message: Message, path: str, record: _Record):
        self.message = message
        self.path = path
        self._record = record
        self._read = record.read

    @property
    def report(self) -> Report:
        """Where remarks on fields go."""
        return self._record.report

    def is_about(self, name: str) -> None:
        """Says what the message, with all below it, is about: remarks add its name."""
        self._record.subjects[self.path] = f' of "{name}"'

    @property
    def name(self) -> str:
        """The name of the message, such as `IdFeature`."""
        return self.message.DESCRIPTOR.name

    def has(self, field: str) -> bool:
        """Returns whether the message has such a field and it is written."""
        descriptor = self.message.DESCRIPTOR.fields_by_name.get(field)
        if descriptor is None:
            return False
        return bool(getattr(self.message, field)) if descriptor.is_repeated else self.message.HasField(field)

    def take(self, field: str) -> Any:
        """Returns a scalar, its default when it is not written, and None when the message has no such field."""
        if field not in self.message.DESCRIPTOR.fields_by_name:
            return None
        self.mark(field)
        return getattr(self.message, field)

    def name_of(self, field: str) -> str:
        """Returns the name of the value of an enum."""
        return self.message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[self.take(field)].name

    def values(self, field: str) -> list[Any]:
        """Returns the scalars of a list, none when the message has no such field."""
        return list(self.take(field) or ())

    def node(self, field: str) -> Optional["Node"]:
        """Returns the message in a field, None when it is not written."""
        if not self.has(field):
            return None
        self._read.add(join(self.path, field))
        return self._inner(getattr(self.message, field), join(self.path, field))

    def nodes(self, field: str) -> list["Node"]:
        """Returns the messages of a list."""
        self._read.add(join(self.path, field))
        items = enumerate(getattr(self.message, field, ()))
        return [self._inner(item, f"{join(self.path, field)}[{index}]") for index, item in items]

    def chosen(self, oneof: str) -> Optional["Node"]:
        """Returns the message that is set of a oneof, None without one."""
        name = self.message.WhichOneof(oneof)
        return self.node(name) if name else None

    def mark(self, *fields: str) -> None:
        """Remembers that fields were read, messages with all in them."""
        paths = [join(self.path, field) for field in fields]
        self._read.update([*paths, *(path + _WHOLE for path in paths)])

    def mark_all(self) -> None:
        """Remembers that the message was read with all in it."""
        self._read.add(self.path + _WHOLE)

    def line(self, field: str = "") -> int:
        """Returns the line of a field, or of the message around it when it is not written."""
        position = self._record.places.position(join(self.path, field) if field else self.path)
        return position.line if position else 0

    def where(self, field: str = "") -> str:
        """Returns the place of a field as messages show it: `x.config:41`."""
        return f"{self.report.path}:{self.line(field)}"

    def changed(self, field: str, text: str) -> None:
        """Remarks that a field was converted and means something else, or something less."""
        self.remark(Kind.CHANGED, field, text)

    def left_out(self, field: str, text: str) -> None:
        """Remarks that a field, which was read, has no counterpart."""
        self.remark(Kind.LEFT_OUT, field, text)

    def guessed(self, field: str, text: str) -> None:
        """Remarks that something was guessed that the config does not say."""
        self.remark(Kind.GUESSED, field, text)

    def not_needed(self, field: str, text: str) -> None:
        """Remarks that a field says what goes without saying here."""
        self.remark(Kind.NOT_NEEDED, field, text)

    def remark(self, kind: Kind, field: str, text: str) -> None:
        """Adds a remark on a field of this message; the field counts as read."""
        if field:
            self.mark(field)
        last = self.path.rpartition(".")[2]
        shown = join(last, field) if field else last
        self.report.add(kind, self.line(field), shown + self._subject(), text)

    def unread(self) -> Iterator[tuple["Node", str]]:
        """Yields message and name of each written field below that no rule has read; defaults ask for nothing."""
        if self.path + _WHOLE in self._read:
            return
        for descriptor, value in self.message.ListFields():
            path = join(self.path, descriptor.name)
            is_scalar = descriptor.message_type is None and not descriptor.is_repeated
            if path not in self._read:
                if not is_scalar or value != descriptor.default_value:
                    yield self, descriptor.name
            elif descriptor.message_type is None or path + _WHOLE in self._read:
                continue
            elif descriptor.is_repeated:
                for index, item in enumerate(value):
                    yield from self._inner(item, f"{path}[{index}]").unread()
            else:
                yield from self._inner(value, path).unread()

    def _inner(self, message: Message, path: str) -> "Node":
        return Node(message, path, self._record)

    def _subject(self) -> str:
        path = self.path
        while path and path not in self._record.subjects:
            path = parent(path)
        return self._record.subjects.get(path, "")


def read_source(text: str, path: str) -> Node:
    """Returns the config that a text in TorchEasyRec's dialect holds.

    Args:
        text: the text.
        path: how messages name it.

    Raises:
        ConfigError: fields do not exist or hold what they cannot; all of them are listed, with line and nearest name.
        UserError: it is no config of TorchEasyRec, but one of EasyRec, which needs no conversion.
    """
    findings = Findings(Places(path))
    config = new_config()
    Parser(text, findings).parse(config)
    if findings.problems:
        in_ours = Findings(Places(""))
        Parser(text, in_ours).parse(Pipeline())
        if _num_unknown(in_ours) < _num_unknown(findings):
            raise UserError(
                f"{path}: this is the dialect of EasyRec, which easymtl reads as it is, and not that of TorchEasyRec. "
                f"Run: easymtl check --pipeline_config {path}"
            )
        raise ConfigError(path, findings.problems, more_to_come=findings.is_broken)
    return Node(config, "", _Record(findings.places, Report(path)))


def _num_unknown(findings: Findings) -> int:
    """Returns how many fields of a text a dialect does not have; those that are not supported it has."""
    return sum(" has no field " in problem.text for problem in findings.problems)
