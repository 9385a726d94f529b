"""Reads text-format protobuf into a message, keeps the place of every field, and goes on after a mistake.

The grammar is that of `google.protobuf.text_format`: `message { }`, `message: { }`, `< >`, both quote styles,
adjacent literals, `[a, b]` or repeated lines, `#` comments, `,` or `;` between fields. On top of it, fields
that carry the options `ignored`, `refused` or `later` (protos/options.proto) are noted or reported here,
because the body of a refused field is not read, whatever it holds.
"""

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.lexer import Token, tokens
from easymtl.config.problems import Findings, Position, Problem, join
from easymtl.config.scalars import Scalar, ScalarError, read_scalar, type_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2

_OPENERS = {"{": "}", "<": ">", "[": "]"}
_CLOSERS = frozenset(_OPENERS.values())
_SEPARATORS = (",", ";")
_DEEPEST = 100
_MOST_PROBLEMS = 100


class _ManyProblems(Exception):
    """The text is so far from a config that more problems would not help."""


class Parser:
    """Reads one text into a message.

    Args:
      text: The text.
      findings: Where positions and problems go.
      fixed_position: The position of everything in the text, for a `--set` value.
    """

    def __init__(self, text: str, findings: Findings, fixed_position: Position | None = None):
        self._tokens = tokens(text)
        self._next = 0
        self._findings = findings
        self._fixed_position = fixed_position

    def parse(self, message: Message, path: str = "") -> None:
        """Reads the whole text as the fields of `message`, which stands at `path`."""
        try:
            self._fields(message, path, "", 0)
        except _ManyProblems:
            self._findings.is_broken = True

    def parse_value(self, message: Message, descriptor: FieldDescriptor, path: str) -> None:
        """Reads the whole text as the value of one field of `message`; `path` is that of the field."""
        try:
            if self._is_allowed(descriptor, path, self._token):
                self._value(message, descriptor, path, self._token, 0)
                if self._token.kind != "end":
                    self._report(self._token, path, f"there is more after the value: {self._token.shown}.")
        except _ManyProblems:
            self._findings.is_broken = True

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._next += 1
        return token

    def _take_if(self, *marks: str) -> bool:
        if self._token.kind == "mark" and self._token.text in marks:
            self._next += 1
            return True
        return False

    def _position(self, token: Token) -> Position:
        return self._fixed_position or Position(token.line, token.column)

    def _report(self, token: Token, path: str, text: str, damages: bool = False) -> None:
        position = self._position(token)
        where = self._findings.places.line(position, with_column=True)
        shown_path = f"{path}: " if self._fixed_position and not text.startswith(path) else ""
        self._findings.problems.append(Problem(where, shown_path + text, position))
        if damages:
            self._findings.damaged.add(path)
        if len(self._findings.problems) >= _MOST_PROBLEMS:
            raise _ManyProblems

    def _broken(self, token: Token, path: str, text: str) -> None:
        self._findings.is_broken = True
        self._report(token, path, text)

    def _fields(self, message: Message, path: str, closer: str, depth: int) -> bool:
        """Reads fields up to `closer` (the end of the text when empty); returns whether it was met."""
        while True:
            token = self._token
            if token.kind == "end":
                return closer == ""
            if token.kind == "mark" and token.text in _CLOSERS:
                if token.text == closer:
                    self._take()
                    return True
                if closer and token.text != "]":
                    self._broken(token, path, f'"{closer}" is needed here, found "{token.text}".')
                    self._take()
                    return True
                self._broken(token, path, f'"{token.text}" closes nothing.')
                self._take()
            elif token.kind == "word":
                self._field(message, path, depth)
            else:
                self._no_field(token, path)

    def _no_field(self, token: Token, path: str) -> None:
        """Reports what cannot begin a field, and skips to what can."""
        self._broken(token, path, f"the name of a field is needed here, found {token.shown}.")
        self._skip_piece()
        while self._token.kind not in ("word", "end") and self._token.text not in _CLOSERS:
            self._skip_piece()

    def _field(self, message: Message, path: str, depth: int) -> None:
        name = self._take()
        descriptor = message.DESCRIPTOR.fields_by_name.get(name.text)
        if descriptor is None:
            self._unknown_field(message.DESCRIPTOR, name, path)
            self._skip_value()
        elif not self._is_allowed(descriptor, join(path, name.text), name):
            if descriptor.containing_oneof is not None:
                self._findings.damaged.update(join(path, member.name) for member in descriptor.containing_oneof.fields)
            self._skip_value()
        else:
            has_colon = self._take_if(":")
            is_message = descriptor.message_type is not None
            if not has_colon and not is_message and self._token.text != "[":
                text = f'{name.text} needs a ":" and {type_name(descriptor)}, found {self._token.shown}.'
                self._report(self._token, join(path, name.text), text, damages=True)
                if self._token.kind == "word":
                    return
            self._value(message, descriptor, join(path, name.text), name, depth)
        self._take_if(*_SEPARATORS)

    def _unknown_field(self, descriptor: Descriptor, name: Token, path: str) -> None:
        allowed = list(descriptor.fields_by_name)
        hint = did_you_mean(name.text[:60], allowed)
        self._findings.damaged.update(join(path, field) for field in allowed if f'"{field}"' in hint)
        if not hint and allowed:
            hint = f" Its fields: {quoted(sorted(allowed))}."
        self._report(name, path, f'{path or "the config"} has no field "{name.shown}".{hint}')

    def _is_allowed(self, descriptor: FieldDescriptor, path: str, token: Token) -> bool:
        options = descriptor.GetOptions().Extensions
        is_barred = options[options_pb2.refused] or options[options_pb2.later]
        if is_barred and self._is_default(descriptor):
            return True
        if options[options_pb2.refused]:
            self._report(token, path, f"{descriptor.name} is not supported. {options[options_pb2.refused]}")
            return False
        if options[options_pb2.later]:
            self._report(token, path, f"{descriptor.name} is not supported yet. {options[options_pb2.later]}")
            return False
        if options[options_pb2.ignored]:
            self._ignore(token, descriptor.full_name, f"{descriptor.name} is ignored. {options[options_pb2.ignored]}")
        return True

    def _is_default(self, descriptor: FieldDescriptor) -> bool:
        """Tells whether the default of a scalar follows: writing it asks for nothing, as many configs do."""
        if descriptor.message_type is not None or descriptor.is_repeated or self._token.text != ":":
            return False
        try:
            return read_scalar(descriptor, self._tokens[self._next + 1 : self._next + 2]) == descriptor.default_value
        except ScalarError:
            return False

    def _ignore(self, token: Token, name: str, sentence: str) -> None:
        position = self._position(token)
        self._findings.ignored.setdefault(name, Problem(self._findings.places.line(position), sentence, position))

    def _value(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        if not self._take_if("["):
            self._element(message, descriptor, path, name, depth)
            return
        if not descriptor.is_repeated:
            text = f"{descriptor.name} takes one value, not a list."
            self._report(name, path, text, damages=True)
            self._next -= 1
            self._skip_value()
            return
        self._findings.places.positions.setdefault(path, self._position(name))
        self._list(message, descriptor, path, depth)

    def _list(self, message: Message, descriptor: FieldDescriptor, path: str, depth: int) -> None:
        opening = self._tokens[self._next - 1]
        while not self._take_if("]"):
            if self._token.kind == "end" or self._token.text in ("}", ">"):
                self._broken(self._token, path, f'"]" is needed here, to close line {opening.line}.')
                return
            self._element(message, descriptor, path, self._token, depth)
            if not self._take_if(",") and self._token.text != "]":
                text = f'"," or "]" is needed in {descriptor.name}, found {self._token.shown}.'
                self._broken(self._token, path, text)
                if self._token.kind != "end" and self._token.text not in _CLOSERS:
                    self._skip_piece()
                if self._token.kind == "word" and self._tokens[self._next + 1].text in (":", "{", "<"):
                    return

    def _element(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        if descriptor.is_repeated:
            path = self._list_path(message, descriptor, path, name)
        if descriptor.message_type is not None:
            self._message(message, descriptor, path, name, depth)
        else:
            self._scalar(message, descriptor, path, name)

    def _list_path(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> str:
        self._findings.places.positions.setdefault(path, self._position(name))
        return f"{path}[{len(getattr(message, descriptor.name))}]"

    def _message(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token, depth: int) -> None:
        opening = self._token
        closer = _OPENERS.get(opening.text, "") if opening.kind == "mark" else ""
        if closer in ("", "]"):
            text = f"{descriptor.name} needs a message in {{ }}, found {opening.shown}."
            self._report(opening, path, text, damages=True)
            self._skip_value()
            return
        if depth >= _DEEPEST:
            self._broken(opening, path, f"messages are nested deeper than {_DEEPEST}.")
            self._skip_piece()
            return
        self._take()
        self._check_oneof(message, descriptor, path, name)
        self._findings.places.positions.setdefault(path, self._position(name))
        inner, is_map = _submessage(message, descriptor)
        if not self._fields(inner, path, closer, depth + 1):
            self._broken(opening, path, f'the "{opening.text}" of {descriptor.name} is never closed.')
        if is_map:
            _store_entry(message, descriptor, inner)

    def _scalar(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        value = self._scalar_tokens()
        if not value:
            text = f"{descriptor.name} needs {type_name(descriptor)}, found {self._token.shown}."
            self._report(self._token, path, text, damages=True)
            self._skip_value()
            return
        try:
            scalar = read_scalar(descriptor, value)
        except ScalarError as error:
            self._report(value[0], path, f"{descriptor.name} {error}", damages=True)
            return
        self._check_enum_value(descriptor, scalar, path, value[0])
        if descriptor.is_repeated:
            getattr(message, descriptor.name).append(scalar)
        else:
            self._check_twice(descriptor, path, name)
            self._check_oneof(message, descriptor, path, name)
            setattr(message, descriptor.name, scalar)
        self._findings.places.positions[path] = self._position(value[0] if descriptor.is_repeated else name)

    def _scalar_tokens(self) -> list[Token]:
        """Takes the tokens of one scalar; none when the next token cannot begin one."""
        first = self._token
        if first.kind == "string":
            value = [self._take()]
            while self._token.kind == "string":
                value.append(self._take())
            return value
        if first.text == "-" and self._tokens[self._next + 1].kind in ("number", "word"):
            return [self._take(), self._take()]
        return [self._take()] if first.kind in ("word", "number", "bad") else []

    def _check_twice(self, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        first = self._findings.places.positions.get(path)
        if first is None or self._fixed_position:
            return
        text = f"{descriptor.name} is set twice, on lines {first.line} and {name.line}. Keep one of them."
        self._report(name, path, text)

    def _check_oneof(self, message: Message, descriptor: FieldDescriptor, path: str, name: Token) -> None:
        """Reports a second member of a oneof: protobuf would silently drop the first."""
        oneof = descriptor.containing_oneof
        chosen = oneof and message.WhichOneof(oneof.name)
        if not chosen or chosen == descriptor.name or self._fixed_position:
            return
        first = self._findings.places.position(join(path.rpartition(".")[0], chosen))
        line = first.line if first else 0
        text = (
            f"{descriptor.name} (line {name.line}) and {chosen} (line {line}) exclude each other: "
            f"of {oneof.name} only one can be set. Remove one of them."
        )
        self._report(name, path, text)

    def _check_enum_value(self, descriptor: FieldDescriptor, scalar: Scalar, path: str, token: Token) -> None:
        if descriptor.enum_type is None:
            return
        value = descriptor.enum_type.values_by_number[scalar]
        options = value.GetOptions().Extensions
        shown = f"{descriptor.name} {value.name}"
        if options[options_pb2.value_refused]:
            self._report(token, path, f"{shown} is not supported. {options[options_pb2.value_refused]}")
        elif options[options_pb2.value_later]:
            self._report(token, path, f"{shown} is not supported yet. {options[options_pb2.value_later]}")
        elif options[options_pb2.value_ignored]:
            name = f"{descriptor.full_name}={value.name}"
            self._ignore(token, name, f"{shown}: {options[options_pb2.value_ignored]}")

    def _skip_value(self) -> None:
        """Skips an optional ":" and a value of any kind."""
        self._take_if(":")
        if self._token.kind == "mark" and self._token.text in _OPENERS:
            self._skip_piece()
        else:
            self._scalar_tokens()

    def _skip_piece(self) -> None:
        """Skips one token, with what it opens up to where that is closed."""
        opening = self._token
        depth = 0
        while self._token.kind != "end":
            token = self._take()
            if token.kind == "mark":
                depth += (token.text in _OPENERS) - (token.text in _CLOSERS)
            if depth <= 0:
                return
        if depth > 0:
            self._broken(opening, "", f'the "{opening.text}" of line {opening.line} is never closed.')


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
