"""The text of a config with other values of some fields; what its author wrote around them stays."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf import message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config.config import parse_config
from easymtl.config.cursor import OPENERS
from easymtl.config.edit_paths import field_at, split_path, written_paths
from easymtl.config.lexer import Token, tokens
from easymtl.config.parser import Parser
from easymtl.config.problems import Findings, Places, Position
from easymtl.protos.pipeline_pb2 import Pipeline

_COMMENT = re.compile(r"[ \t]*#[ \t]*(?=\S)")
_INDENT = "  "
_RESOLVED = (
    "# This is the whole config as it was read: a field that replaces others could not be changed in the text,\n"
    "# so that comments are lost.\n"
)


class _Edit(NamedTuple):
    """A piece of text that is replaced; `anchor` is the message that something is put into, empty for a value."""

    start: int
    end: int
    text: str
    anchor: str = ""


def edited_text(text: str, overrides: Sequence[str]) -> str:
    """Returns the text of a config that means what overrides make of it.

    Args:
        text: of a config that is right.
        overrides: `path=value` each, that it is right with, too.
    """
    wanted = parse_config(text, "the config", overrides).pipeline
    edited = text
    paths = [path for override in overrides for path in written_paths(wanted, _path(override))]
    while paths:
        edits, waiting = _edits(edited, wanted, paths)
        for edit in sorted(edits, reverse=True):
            edited = edited[: edit.start] + edit.text + edited[edit.end :]
        if not edits and len(waiting) == len(paths):
            break
        paths = waiting
    if not paths and _reads_as(edited, wanted):
        return edited
    return _RESOLVED + text_format.MessageToString(wanted, as_utf8=True)


def _path(override: str) -> str:
    depth = 0
    for place, sign in enumerate(override):
        depth += (sign == "[") - (sign == "]")
        if sign == "=" and depth == 0:
            return override[:place].strip()
    return override


def _reads_as(text: str, wanted: Pipeline) -> bool:
    try:
        return parse_config(text, "the config").pipeline == wanted
    except ValueError:
        return False


def _edits(text: str, wanted: Pipeline, paths: Sequence[str]) -> tuple[list[_Edit], list[str]]:
    """Returns what can be done in one go, and the paths that wait: nothing is put into one message twice at once."""
    findings, current = Findings(Places("")), Pipeline()
    Parser(text, findings).parse(current)
    source = _Source(text)
    done: list[_Edit] = []
    waiting = []
    for path in dict.fromkeys(paths):
        if path in findings.places.positions and field_at(current, path) == field_at(wanted, path):
            continue
        edit = _edit(source, findings.places.positions, wanted, path)
        if edit is None or (edit.anchor and edit.anchor in {other.anchor for other in done}):
            waiting.append(path)
        else:
            done.append(edit)
    return done, waiting


class _Source:
    """A text by tokens: where each stands, and where what begins there ends."""

    def __init__(self, text: str):
        self.text = text
        self.lines = [0]
        for line in text.split("\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)
        self._tokens = tokens(text)
        self._places = {(token.line, token.column): place for place, token in enumerate(self._tokens)}

    def offset(self, token: Token) -> int:
        return self.lines[token.line - 1] + token.column - 1

    def at(self, position: Position) -> int:
        """Returns the number of the token at a position."""
        return self._places[position.line, position.column]

    def token(self, place: int) -> Token:
        return self._tokens[min(place, len(self._tokens) - 1)]

    def value_end(self, place: int) -> int:
        """Returns the number of the last token of the value that begins at one."""
        token = self.token(place)
        if token.text in OPENERS and token.kind == "mark":
            depth = 0
            while self.token(place).kind != "end":
                one = self.token(place)
                if one.kind == "mark":
                    depth += (one.text in OPENERS) - (one.text in OPENERS.values())
                if depth == 0:
                    return place
                place += 1
            return place
        if token.text == "-" and token.kind == "mark":
            return place + 1
        while token.kind == "string" and self.token(place + 1).kind == "string":
            place += 1
        return place

    def end(self, place: int) -> int:
        """Returns the offset behind a token."""
        return self.offset(self.token(place)) + len(self.token(place).text)

    def indent(self, token: Token) -> str:
        line = self.text[self.lines[token.line - 1] :]
        return line[: len(line) - len(line.lstrip(" \t"))]


def _edit(source: _Source, positions: dict[str, Position], wanted: Pipeline, path: str) -> _Edit | None:
    found = field_at(wanted, path)
    if found is None:
        return None
    descriptor, value = found
    is_item = path.endswith("]")
    if path in positions:
        place = source.at(positions[path])
        start = source.offset(source.token(place))
        is_value = is_item and descriptor.message_type is None
        last = source.value_end(place if is_value else _value_place(source, place))
        old = source.text[
            start if is_value else source.offset(source.token(_value_place(source, place))) : source.end(last)
        ]
        sign, remark = _remark(source.text[source.end(last) :], old)
        return _Edit(start, source.end(last) + sign, _shown(descriptor, value, is_value) + remark)
    if is_item:
        return None
    return _insertion(source, positions, path, _shown(descriptor, value, False))


def _remark(behind: str, old: str) -> tuple[int, str]:
    """Returns the length of the sign of a comment behind a value, and the sign with that the comment is of the old one.

    Args:
        behind: the text behind the value.
        old: the value that the comment was written for.
    """
    found = _COMMENT.match(behind)
    if found is None or "\n" in old:
        return 0, ""
    return found.end(), f"{found[0]}with {old}: "


def _value_place(source: _Source, place: int) -> int:
    """Returns the number of the token that the value of a field begins with, given that of its name."""
    return place + 2 if source.token(place + 1).text == ":" else place + 1


def _insertion(source: _Source, positions: dict[str, Position], path: str, shown: str) -> _Edit | None:
    """Returns what puts a field, in the messages that it needs, into the nearest one that the text has."""
    steps = split_path(path)[:-1]
    inside: list[str] = []
    while steps and ".".join(steps) not in positions:
        if steps[-1].endswith("]"):
            return None
        inside.insert(0, steps.pop())
    whole = "".join(f"{name} {{ " for name in inside) + shown + " }" * len(inside)
    if not steps:
        return _Edit(
            len(source.text), len(source.text), f"{'' if source.text.endswith(chr(10)) else chr(10)}{whole}\n", "."
        )
    anchor = ".".join(steps)
    name = source.at(positions[anchor])
    opening = name if source.token(name).text in OPENERS else _value_place(source, name)
    last = source.value_end(opening)
    first, closing = source.token(opening), source.token(last)
    if closing.line == first.line:
        at = source.offset(closing)
        return _Edit(at, at, f"{'' if source.text[at - 1] == ' ' else ' '}{whole} ", anchor)
    at = source.end(opening)
    return _Edit(at, at, f"\n{source.indent(first)}{_INDENT}{whole}", anchor)


def _shown(descriptor: FieldDescriptor, value: Any, is_value: bool) -> str:
    """Returns a field as text, in one line; with `is_value` its value alone."""
    is_list = descriptor.is_repeated and not isinstance(value, (str, bytes, int, float, Message))
    texts = [_value_text(descriptor, one) for one in (value if is_list else [value])]
    if is_value:
        return texts[0]
    if descriptor.message_type is not None:
        return " ".join(f"{descriptor.name} {text}" for text in texts)
    return f"{descriptor.name}: " + (f"[{', '.join(texts)}]" if is_list else texts[0])


def _value_text(descriptor: FieldDescriptor, value: Any) -> str:
    fresh = message_factory.GetMessageClass(descriptor.containing_type)()
    if descriptor.is_repeated and descriptor.message_type is not None:
        getattr(fresh, descriptor.name).add().CopyFrom(value)
    elif descriptor.is_repeated:
        getattr(fresh, descriptor.name).append(value)
    elif descriptor.message_type is not None:
        getattr(fresh, descriptor.name).CopyFrom(value)
    else:
        setattr(fresh, descriptor.name, value)
    text = text_format.MessageToString(fresh, as_utf8=True, as_one_line=True)
    return text[len(descriptor.name) :].lstrip(": ").rstrip()
