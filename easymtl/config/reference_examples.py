"""Examples for `docs/config.md`: of each message, what a sample config says with it."""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from easymtl.protos.pipeline_pb2 import Pipeline

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_LINE = 110


def examples() -> dict[Descriptor, str]:
    """Returns the Markdown of an example of each message that a sample config uses."""
    found: dict[Descriptor, tuple[int, int, int, str, str]] = {}
    for path in sorted((_ROOT / "samples").glob("*/*.config")):
        name = path.relative_to(_ROOT).as_posix()
        if name.startswith("samples/torcheasyrec/"):
            continue
        pipeline = text_format.Parse(path.read_text(encoding="utf-8"), Pipeline())
        for field, message in _messages(pipeline):
            text = written(field, message)
            # A whole one before an outline; then the one that sets most fields.
            rank = (text.count("..."), -len(message.ListFields()), len(text), name, text)
            found[message.DESCRIPTOR] = min(rank, found.get(message.DESCRIPTOR, rank))
    return {descriptor: _markdown(text, name) for descriptor, (*_, name, text) in found.items()}


def _messages(message: Message) -> Iterator[tuple[str, Message]]:
    """Yields each message within a message, with the name of its field."""
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.file.package != Pipeline.DESCRIPTOR.file.package:
            continue
        for item in value if field.is_repeated else [value]:
            yield field.name, item
            yield from _messages(item)


def written(field: str, message: Message) -> str:
    """Returns a field that holds a message in one line, or where that is long with a line for each field in it."""
    line = f"{field} {{ {_one_line(message)} }}"
    if len(line) <= _LONGEST_LINE:
        return line.replace("{  }", "{}")
    return "\n".join([f"{field} {{", *(f"  {line}" for line in _lines(message)), "}"])


def _lines(message: Message) -> Iterator[str]:
    """Yields a line for each field of a message: what is long is `...`, and of several messages there is the first."""
    for field, value in message.ListFields():
        if field.message_type is None:
            yield _scalars(field.name, message)
            continue
        items = list(value) if field.is_repeated else [value]
        inner = _one_line(items[0])
        line = f"{field.name} {{ {inner if len(inner) + len(field.name) < _LONGEST_LINE else '...'} }}"
        yield line.replace("{  }", "{}") + (f"  # and {len(items) - 1} more" if len(items) > 1 else "")


def _scalars(field: str, message: Message) -> str:
    """Returns a field of numbers or texts; a list of them stands in brackets."""
    alone = type(message)()
    if not message.DESCRIPTOR.fields_by_name[field].is_repeated:
        setattr(alone, field, getattr(message, field))
        return _one_line(alone)
    getattr(alone, field).extend(getattr(message, field))
    values = [line.removeprefix(f"{field}: ") for line in text_format.MessageToString(alone).splitlines()]
    line = f"{field}: [{', '.join(values)}]"
    return line if len(line) < _LONGEST_LINE else f"{field}: [{values[0]}, ...]"


def _one_line(message: Message) -> str:
    return text_format.MessageToString(message, as_one_line=True, use_short_repeated_primitives=True)


def _markdown(text: str, name: str) -> str:
    return f"For example, in [{name}](../{name}):\n\n```protobuf\n{text}\n```\n"
