"""Writes `docs/config.md`, the list of every field of a config, from the comments and options of the protos.

    python -m easymtl.config.reference --out docs/config.md
    python -m easymtl.config.reference --out docs/config.md --check

The generated classes hold no comments, so the protos are compiled again with their source; this needs the
`grpcio-tools` of the development install and a checkout.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from easymtl.config.documents import publish, table_row
from easymtl.config.reference_examples import examples
from easymtl.protos import options_pb2
from easymtl.protos.pipeline_pb2 import Pipeline

# From best to worst: what leads to a message or to a value decides how its own fields stand.
STANDINGS = ("implemented", "later", "ignored", "refused")

_PROTOS = Path(__file__).resolve().parents[2] / "protos"
_PACKAGE = Pipeline.DESCRIPTOR.file.package
_FIELD_OPTIONS = {name: getattr(options_pb2, name) for name in STANDINGS[1:]}
_VALUE_OPTIONS = {name: getattr(options_pb2, f"value_{name}") for name in STANDINGS[1:]}
_TYPE_NAMES = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}
_Path = tuple[int, ...]
# Numbers of the lists in descriptor.proto, of which the paths of comments are made.
_MESSAGES, _ENUMS, _FIELDS, _NESTED, _NESTED_ENUMS, _VALUES = 4, 5, 2, 3, 4, 2

_INTRODUCTION = """\
# The config, field by field

<!-- Written by `python -m easymtl.config.reference --out docs/config.md`: change protos/*.proto instead. -->

A config is the text form of one [Pipeline](#pipeline), in the dialect of EasyRec. A field has the effect that its
meaning says, unless a note says otherwise. The notes:

- **ignored**: the field may be written and has no effect; a run says so once.
- **later**: the field is still to come. Until then a config that uses it is refused.
- **refused**: the field is not supported. A config that uses it is refused.
- A range such as [0, 1) holds its lower border and not its upper one. A list of words names all that is allowed.

A field that is refused or still to come may be written with its default value, which asks for nothing.
"""
_HEADINGS = {
    "later": "# Fields that are still to come\n\nOnly fields that are still to come lead to these messages.",
    "ignored": "# Fields that are ignored\n\nOnly ignored fields lead to these messages.",
    "refused": "# Fields that are refused\n\nOnly refused fields lead to these messages; they are not read.",
}


class Status(NamedTuple):
    """How a field or an enum value stands: one of `STANDINGS`, and why or what to do instead."""

    standing: str
    sentence: str


def status(item: FieldDescriptor | EnumValueDescriptor) -> Status:
    """Returns how a field or an enum value stands by its own options."""
    options = _FIELD_OPTIONS if isinstance(item, FieldDescriptor) else _VALUE_OPTIONS
    extensions = item.GetOptions().Extensions
    for standing, option in options.items():
        if extensions[option]:
            return Status(standing, extensions[option])
    return Status("implemented", "")


def reachable(root: Descriptor = Pipeline.DESCRIPTOR) -> dict[Descriptor, str]:
    """Returns every message of a config and its standing, in the order in which a reader meets them.

    A message stands as the best path that leads to it: one that only refused fields lead to is refused.
    """
    found = {root: STANDINGS[0]}
    for standing in STANDINGS:
        for message in list(found):
            _descend(message, standing, found)
    return found


def _descend(message: Descriptor, standing: str, found: dict[Descriptor, str]) -> None:
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner in found or inner.file.package != _PACKAGE:
            continue
        if STANDINGS.index(status(field).standing) <= STANDINGS.index(standing):
            found[inner] = standing
            _descend(inner, standing, found)


def comments() -> dict[str, str]:
    """Returns the comment of each message, field, enum and enum value by full name (`easymtl.DNN.use_bn`).

    Raises:
        ModuleNotFoundError: grpcio-tools is not installed.
        RuntimeError: The protos do not compile.
    """
    found: dict[str, str] = {}
    for file in _compile_with_comments().file:
        if file.package == _PACKAGE:
            names = dict(_paths(file))
            for location in file.source_code_info.location:
                path = tuple(location.path)
                if path in names and location.leading_comments:
                    found[f"{_PACKAGE}.{names[path]}"] = " ".join(location.leading_comments.split())
    return found


def _compile_with_comments() -> FileDescriptorSet:
    """Runs the compiler in a process of its own: in one that has loaded TensorFlow it clashes with its protobuf."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "descriptors"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-Ieasymtl/protos={_PROTOS}"]
        command += ["--include_source_info", f"--descriptor_set_out={compiled}"]
        command += [f"easymtl/protos/{source.name}" for source in sorted(_PROTOS.glob("*.proto"))]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise RuntimeError(f"protoc could not compile {_PROTOS}/*.proto: {run.stderr}")
        return FileDescriptorSet.FromString(compiled.read_bytes())


def _paths(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    """Yields the path of everything that a file defines, as its source locations spell it, and its name."""
    for index, message in enumerate(file.message_type):
        yield from _message_paths(message, (_MESSAGES, index), message.name)
    for index, enum in enumerate(file.enum_type):
        yield from _enum_paths(enum, (_ENUMS, index), enum.name)


def _message_paths(message: DescriptorProto, path: _Path, name: str) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELDS, index), f"{name}.{field.name}"
    for index, enum in enumerate(message.enum_type):
        yield from _enum_paths(enum, (*path, _NESTED_ENUMS, index), f"{name}.{enum.name}")
    for index, nested in enumerate(message.nested_type):
        yield from _message_paths(nested, (*path, _NESTED, index), f"{name}.{nested.name}")


def _enum_paths(enum: EnumDescriptorProto, path: _Path, name: str) -> Iterator[tuple[_Path, str]]:
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, _VALUES, index), f"{name}.{value.name}"


def reference() -> str:
    """Returns the text of `docs/config.md`."""
    said, shown = comments(), examples()
    parts = [_INTRODUCTION]
    listed: set[EnumDescriptor] = set()
    previous = STANDINGS[0]
    for message, standing in reachable().items():
        if standing != previous:
            parts.append(f"{_HEADINGS[standing]}\n")
            previous = standing
        parts.append(_message_section(message, said))
        if message in shown:
            parts.append(shown[message])
        for enum in _enums(message):
            if enum not in listed:
                parts.append(_enum_section(enum, said))
                listed.add(enum)
    return "\n".join(parts)


def _enums(message: Descriptor) -> list[EnumDescriptor]:
    found = [field.enum_type for field in message.fields if field.enum_type is not None]
    return list(dict.fromkeys(found))


def _message_section(message: Descriptor, said: dict[str, str]) -> str:
    lines = [f"## {_name(message)}", "", said.get(message.full_name, ""), ""]
    if message.fields:
        lines += ["| Field | Type | Default | Meaning | Notes |", "|---|---|---|---|---|"]
    for field in message.fields:
        cells = [f"`{field.name}`", _type(field), _default(field), said.get(field.full_name, ""), _notes(field)]
        lines.append(table_row(cells))
    return "\n".join(lines).rstrip() + "\n"


def _enum_section(enum: EnumDescriptor, said: dict[str, str]) -> str:
    lines = [f"## {_name(enum)}", "", said.get(enum.full_name, ""), ""]
    lines += ["| Value | Meaning | Notes |", "|---|---|---|"]
    for value in enum.values:
        meaning = said.get(f"{enum.full_name}.{value.name}", "")
        lines.append(table_row([f"`{value.name}`", meaning, _standing_note(value)]))
    return "\n".join(lines) + "\n"


def _name(item: Descriptor | EnumDescriptor) -> str:
    return item.full_name.removeprefix(f"{_PACKAGE}.")


def _type(field: FieldDescriptor) -> str:
    inner = field.message_type or field.enum_type
    if inner is None:
        name = _TYPE_NAMES[field.type]
    elif inner.file.package != _PACKAGE:
        name = inner.name
    else:
        name = f"[{_name(inner)}](#{_name(inner).lower().replace('.', '')})"
    name = f"list of {name}" if field.is_repeated else name
    return f"{name}, one of `{field.containing_oneof.name}`" if field.containing_oneof else name


def _default(field: FieldDescriptor) -> str:
    if not field.has_default_value:
        return ""
    if field.enum_type is not None:
        return f"`{field.enum_type.values_by_number[field.default_value].name}`"
    if isinstance(field.default_value, bool):
        return f"`{str(field.default_value).lower()}`"
    if isinstance(field.default_value, float):
        return f"`{field.default_value:g}`"
    if isinstance(field.default_value, str):
        return f'`"{field.default_value.encode("unicode_escape").decode()}"`'
    return f"`{field.default_value}`"


def _notes(field: FieldDescriptor) -> str:
    extensions = field.GetOptions().Extensions
    allowed = extensions[options_pb2.range]
    choices = extensions[options_pb2.choices]
    notes = [_standing_note(field), allowed, " ".join(f"`{choice}`" for choice in choices.split())]
    return " ".join(note for note in notes if note)


def _standing_note(item: FieldDescriptor | EnumValueDescriptor) -> str:
    standing, sentence = status(item)
    return f"**{standing}**: {sentence}" if sentence else ""


def main(arguments: list[str] | None = None) -> int:
    """Writes the reference, or with `--check` tells whether it is current; returns the exit code."""
    return publish("easymtl.config.reference", reference, arguments)


if __name__ == "__main__":
    sys.exit(main())
