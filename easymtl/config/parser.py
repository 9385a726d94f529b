"""Reads text-format protobuf into a message, keeps the place of every field, and goes on after a mistake.

The grammar is that of `google.protobuf.text_format`: `message { }`, `message: { }`, `< >`, both quote styles,
adjacent literals, `[a, b]` or repeated lines, `#` comments, `,` or `;` between fields. On top of it, fields
that carry the options `ignored`, `refused` or `later` (protos/options.proto) are noted or reported here,
because the body of a refused field is not read, whatever it holds.
"""

import re

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.cursor import CLOSERS, OPENERS, Cursor
from easymtl.config.field_reports import FieldReports, ManyProblems
from easymtl.config.former_fields import instead_of
from easymtl.config.lexer import Token
from easymtl.config.problems import Findings, Position, join
from easymtl.config.scalars import ScalarError, read_scalar, type_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2

_SEPARATORS = (",", ";")
_WORD = re.compile(r"\w+")
_DEEPEST = 100
_NO_JSON = " A config is protobuf text, not JSON: its fields stand without braces around them."


class Parser:
    """Reads one text into a message.

    Args:
        text: The text.
        findings: Where positions and problems go.
        fixed_position: The position of everything in the text, for a `--set` value.
    """

    def __init__(self, text: str, findings: Findings, fixed_position: Position | None = None):
        self._cursor = Cursor(text)
        self._missing_closers = max(self._cursor.num_unclosed, 0)
        self._around: list[tuple[str, Descriptor]] = []
        self._close_up_to: int | None = None
        self._findings = findings
        self._reports = FieldReports(findings, fixed_position)

    def parse(self, message: Message, path: str = "") -> None:
        """Reads the whole text as the fields of `message`, which stands at `path`."""
        try:
            self._fields(message, path, "", 0)
        except ManyProblems:
            self._findings.is_broken = True

    def parse_value(self, message: Message, descriptor: FieldDescriptor, path: str) -> None:
        """Reads the whole text as the value of one field of `message`; `path` is that of the field."""
        try:
            if self._is_allowed(descriptor, path, self._cursor.token):
                self._value(message, descriptor, path, self._cursor.token, 0)
                if self._cursor.token.kind != "end":
                    self._reports.report(
                        self._cursor.token, path, f"there is more after the value: {self._cursor.token.shown}."
                    )
        except ManyProblems:
            self._findings.is_broken = True

    def _fields(self, message: Message, path: str, closer: str, depth: int) -> bool:
        """Reads fields up to `closer` (the end of the text when empty); returns whether it was met."""
        self._around.append((path, message.DESCRIPTOR))
        is_closed = None
        while is_closed is None:
            is_closed = self._next_field(message, path, closer, depth)
        self._around.pop()
        return is_closed

    def _next_field(self, message: Message, path: str, closer: str, depth: int) -> bool | None:
        """Reads one field; returns None unless the message ends here, else whether it is closed."""
        token = self._cursor.token
        if self._close_up_to is not None:
            if len(self._around) - 1 > self._close_up_to:
                return True
            self._close_up_to = None
        if token.kind == "end":
            return closer == ""
        if token.kind == "word":
            self._field(message, path, depth)
        elif self._cursor.take_if(*CLOSERS):
            return self._closed_by(token, path, closer)
        else:
            hint = _NO_JSON if token.text == "{" and not path else ""
            self._reports.broken(token, path, f"the name of a field is needed here, found {token.shown}.{hint}")
            self._cursor.skip_piece()
            self._cursor.skip_to_field()
        return None

    def _closed_by(self, token: Token, path: str, closer: str) -> bool | None:
        if token.text == closer:
            return True
        if closer and token.text != "]":
            self._reports.broken(token, path, f'"{closer}" is needed here, found "{token.text}".')
            return True
        self._reports.broken(token, path, f'"{token.text}" closes nothing.')
        return None

    def _field(self, message: Message, path: str, depth: int) -> None:
        name = self._cursor.take()
        descriptor = message.DESCRIPTOR.fields_by_name.get(name.text)
        if descriptor is None:
            self._unknown_field(message.DESCRIPTOR, name, path)
        elif not self._is_allowed(descriptor, join(path, name.text), name):
            if descriptor.containing_oneof is not None:
                self._findings.damaged.update(join(path, member.name) for member in descriptor.containing_oneof.fields)
            self._skip_value()
        elif self._has_colon(descriptor, join(path, name.text)):
            self._value(message, descriptor, join(path, name.text), name, depth)
        self._cursor.take_if(*_SEPARATORS)

    def _has_colon(self, descriptor: FieldDescriptor, path: str) -> bool:
        """Takes the ":" of a field; reports that it is missing; returns whether a value may follow."""
        token = self._cursor.token
        if self._cursor.take_if(":") or descriptor.message_type is not None or token.text == "[":
            return True
        text = f'{descriptor.name} needs a ":" and {type_name(descriptor)}, found {token.shown}.'
        self._reports.report(token, path, text, damages=True)
        if token.kind in ("number", "string"):
            return True
        self._cursor.skip_to_field()
        return False

    def _unknown_field(self, descriptor: Descriptor, name: Token, path: str) -> None:
        text = f'{path or "the config"} has no field "{name.shown}"'
        owner = self._owner(name.text)
        if owner is not None and self._missing_closers:
            where = self._around[owner][0] or "the config"
            self._reports.broken(name, path, f'{text}, but {where} has: a "}}" seems to be missing before it.')
            self._missing_closers = max(0, self._missing_closers - (len(self._around) - 1 - owner))
            self._close_up_to = owner
            self._cursor.give_back()
            return
        allowed = list(descriptor.fields_by_name)
        instead = instead_of(descriptor.name, name.text)
        hint = f" {instead}" if instead else did_you_mean(name.text[:60], allowed)
        self._findings.damaged.update(join(path, field) for field in set(_WORD.findall(hint)).intersection(allowed))
        if not hint and owner is not None:
            hint = f" It is a field of {self._around[owner][0] or 'the config'}: move it there."
        elif not hint and allowed:
            hint = f" Its fields: {quoted(sorted(_fields_of_use(descriptor)))}."
        self._reports.report(name, path, f"{text}.{hint}")
        self._skip_value()

    def _owner(self, name: str) -> int | None:
        """Returns the depth of the nearest message around the innermost one that has a field."""
        for depth in reversed(range(len(self._around) - 1)):
            if name in self._around[depth][1].fields_by_name:
                return depth
        return None

    def _is_allowed(self, descriptor: FieldDescriptor, path: str, token: Token) -> bool:
        options = descriptor.GetOptions().Extensions
        is_barred = options[options_pb2.refused] or options[options_pb2.later]
        if is_barred and self._is_default(descriptor):
            return True
        return self._reports.is_allowed(descriptor, path, token)

    def _is_default(self, descriptor: FieldDescriptor) -> bool:
        """Tells whether the default of a scalar follows: writing it asks for nothing, as many configs do."""
        if descriptor.message_type is not None or descriptor.is_repeated or self._cursor.token.text != ":":
            return False
        try:
            return read_scalar(descriptor, [self._cursor.following]) == descriptor.default_value
        except ScalarError:
            return False

    def _value(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        if not self._cursor.take_if("["):
            self._element(message, descriptor, path, name, depth)
            return
        if not descriptor.is_repeated:
            text = f"{descriptor.name} takes one value, not a list."
            self._reports.report(name, path, text, damages=True)
            self._cursor.give_back()
            self._skip_value()
            return
        self._findings.places.positions.setdefault(path, self._reports.position(name))
        self._list(message, descriptor, path, depth)

    def _list(self, message: Message, descriptor: FieldDescriptor, path: str, depth: int) -> None:
        while not self._cursor.take_if("]") and self._close_up_to is None:
            item = self._cursor.token
            if item.kind == "end" or self._cursor.at_mark("}", ">"):
                self._reports.broken(item, path, f'"]" is needed here, to end the list of {descriptor.name}.')
                return
            self._element(message, descriptor, path, item, depth)
            token = self._cursor.token
            if self._cursor.take_if(",") or token.text in ("]", "}", ">") or token.kind == "end":
                continue
            self._reports.broken(token, path, f'"," or "]" is needed in {descriptor.name}, found {token.shown}.')
            if self._cursor.at_field():
                return
            if token is item:
                self._cursor.skip_piece()

    def _element(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        if descriptor.is_repeated:
            path = self._list_path(message, descriptor, path, name)
        if descriptor.message_type is not None:
            self._message(message, descriptor, path, name, depth)
        else:
            self._scalar(message, descriptor, path, name)

    def _list_path(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> str:
        self._findings.places.positions.setdefault(path, self._reports.position(name))
        return f"{path}[{len(getattr(message, descriptor.name))}]"

    def _message(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        opening = self._cursor.token
        closer = OPENERS.get(opening.text, "") if opening.kind == "mark" else ""
        if closer in ("", "]"):
            text = f"{descriptor.name} needs a message in {{ }}, found {opening.shown}."
            self._reports.report(opening, path, text, damages=True)
            self._skip_value()
            self._resume(descriptor)
            return
        if depth >= _DEEPEST:
            self._reports.broken(opening, path, f"messages are nested deeper than {_DEEPEST}.")
            self._cursor.skip_piece()
            return
        self._cursor.take()
        self._reports.check_oneof(message, descriptor, path, name)
        self._findings.places.positions.setdefault(path, self._reports.position(name))
        inner, is_map = _submessage(message, descriptor)
        if not self._fields(inner, path, closer, depth + 1):
            self._reports.broken(opening, path, f'the "{opening.text}" of {descriptor.name} is never closed.')
        if is_map:
            _store_entry(message, descriptor, inner)

    def _scalar(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        value = self._cursor.take_scalar()
        if not value:
            text = f"{descriptor.name} needs {type_name(descriptor)}, found {self._cursor.token.shown}."
            self._reports.report(self._cursor.token, path, text, damages=True)
            self._skip_value()
            self._resume(descriptor)
            return
        try:
            scalar = read_scalar(descriptor, value)
        except ScalarError as error:
            self._reports.report(value[0], path, f"{descriptor.name} {error}", damages=True)
            self._resume(descriptor)
            return
        self._reports.check_enum_value(descriptor, scalar, path, value[0])
        if descriptor.is_repeated:
            getattr(message, descriptor.name).append(scalar)
        else:
            self._reports.check_twice(descriptor, path, name)
            self._reports.check_oneof(message, descriptor, path, name)
            setattr(message, descriptor.name, scalar)
        self._findings.places.positions[path] = self._reports.position(value[0] if descriptor.is_repeated else name)

    def _resume(self, descriptor: FieldDescriptor) -> None:
        """Goes on at the next field after a wrong value; in a list the next item may be right."""
        if not descriptor.is_repeated and not self._cursor.at_mark(*_SEPARATORS):
            self._cursor.skip_to_field()

    def _skip_value(self) -> None:
        unclosed = self._cursor.skip_value()
        if unclosed:
            self._reports.broken(unclosed, "", f'the "{unclosed.text}" of line {unclosed.line} is never closed.')


def _fields_of_use(descriptor: Descriptor) -> list[str]:
    """Returns the names of the fields that have an effect."""
    without = (options_pb2.refused, options_pb2.later, options_pb2.ignored)
    fields = descriptor.fields
    return [field.name for field in fields if not any(field.GetOptions().Extensions[option] for option in without)]


def _submessage(message: Message, descriptor: FieldDescriptor) -> tuple[Message, bool]:
    """Returns the message to read a field's body into, and whether it is an entry of a map."""
    if descriptor.is_repeated and descriptor.message_type.GetOptions().map_entry:
        return message_factory.GetMessageClass(descriptor.message_type)(), True
    if descriptor.is_repeated:
        return getattr(message, descriptor.name).add(), False
    inner = getattr(message, descriptor.name)
    inner.SetInParent()
    return inner, False


def _store_entry(message: Message, descriptor: FieldDescriptor, entry: Message) -> None:
    entries = getattr(message, descriptor.name)
    if descriptor.message_type.fields_by_name["value"].message_type is None:
        entries[entry.key] = entry.value
    else:
        entries[entry.key].CopyFrom(entry.value)
