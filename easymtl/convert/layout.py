"""A message as the text of a config file: fields in the order of their numbers, short messages on one line."""

import io
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_WIDTH = 110
_COMMENTED_WIDTH = 130
_INDENT = "  "


def config_text(message: Message, header: str = "", comments: Mapping[str, str] | None = None) -> str:
    """Returns the text of a config, which the parser reads back to an equal message.

    Args:
        message: the config; its messages are set apart by empty lines.
        header: comment lines to begin with.
        comments: what is said of fields, by their paths, such as `feature_config.features[3]` and
            `train_config.save_checkpoints_steps`. It stands behind what fits into a line, and else above.
    """
    parts = [f"# {line}\n" for line in header.split("\n") if line]
    for descriptor, value in message.ListFields():
        is_message = descriptor.message_type is not None
        parts.append("\n" if is_message or (parts and parts[-1].startswith("#")) else "")
        parts += [f"{line}\n" for line in _field_lines(descriptor, value, "", descriptor.name, comments or {})]
    return "".join(parts)


def _field_lines(
    descriptor: FieldDescriptor, value: Any, indent: str, path: str, comments: Mapping[str, str]
) -> Iterator[str]:
    if descriptor.message_type is None:
        yield from _commented([*_scalar_lines(descriptor, value, indent)], indent, comments.get(path, ""))
        return
    for place, item in enumerate(value if descriptor.is_repeated else [value]):
        at = f"{path}[{place}]" if descriptor.is_repeated else path
        yield from _commented([*_message_lines(descriptor, item, indent, at, comments)], indent, comments.get(at, ""))


def _message_lines(
    descriptor: FieldDescriptor, item: Message, indent: str, path: str, comments: Mapping[str, str]
) -> Iterator[str]:
    line = f"{indent}{descriptor.name} {_inline(item)}"
    # A message of the config itself stands on several lines as soon as it has messages in it, or comments.
    is_plain = _depth(item) <= (1 if indent else 0) and not any(at.startswith(f"{path}.") for at in comments)
    if is_plain and len(line) <= _WIDTH:
        yield line
        return
    yield f"{indent}{descriptor.name} {{"
    for inner, inner_value in item.ListFields():
        yield from _field_lines(inner, inner_value, indent + _INDENT, f"{path}.{inner.name}", comments)
    yield f"{indent}}}"


def _commented(lines: list[str], indent: str, comment: str) -> Iterator[str]:
    """Yields the lines of a field with what is said of it."""
    if comment and len(lines) == 1 and len(lines[0]) + len(comment) + 4 <= _COMMENTED_WIDTH:
        yield f"{lines[0]}  # {comment}"
        return
    if comment:
        yield from textwrap.wrap(comment, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
    yield from lines


def _scalar_lines(descriptor: FieldDescriptor, value: Any, indent: str) -> Iterator[str]:
    line = f"{indent}{_scalar(descriptor, value)}"
    if len(line) <= _WIDTH or not descriptor.is_repeated or len(value) == 1:
        yield line
        return
    yield f"{indent}{descriptor.name}: ["
    line = indent + _INDENT
    for place, item in enumerate(value):
        text = _value(descriptor, item) + ("," if place < len(value) - 1 else "")
        if line.strip() and len(line) + len(text) > _WIDTH:
            yield line.rstrip()
            line = indent + _INDENT
        line += f"{text} "
    yield line.rstrip()
    yield f"{indent}]"


def _inline(message: Message) -> str:
    texts = []
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            texts.append(_scalar(descriptor, value))
        else:
            items = value if descriptor.is_repeated else [value]
            texts += [f"{descriptor.name} {_inline(item)}" for item in items]
    return " ".join(["{", *texts, "}"])


def _scalar(descriptor: FieldDescriptor, value: Any) -> str:
    if not descriptor.is_repeated:
        return f"{descriptor.name}: {_value(descriptor, value)}"
    texts = [_value(descriptor, item) for item in value]
    return f"{descriptor.name}: {texts[0] if len(texts) == 1 else '[' + ', '.join(texts) + ']'}"


def _value(descriptor: FieldDescriptor, value: Any) -> str:
    text = io.StringIO()
    text_format.PrintFieldValue(descriptor, value, text, as_utf8=True)
    return text.getvalue().removesuffix(".0") if isinstance(value, float) else text.getvalue()


def _depth(message: Message) -> int:
    """Returns how many levels of messages are below one."""
    inner = [
        item
        for descriptor, value in message.ListFields()
        if descriptor.message_type is not None
        for item in (value if descriptor.is_repeated else [value])
    ]
    return 1 + max(map(_depth, inner)) if inner else 0
