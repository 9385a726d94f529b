"""The messages of TorchEasyRec's config, made from the table of its fields, so that the parser of configs reads them.

The table is data: no generated code, and a mistake in a config of that dialect gets the same messages, with line and
nearest name, as one in ours.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_ROOT = "EasyRecConfig"
_PACKAGE = "torcheasyrec"
_ENUM = re.compile(r"(?P<name>\w+)(?:=(?P<first>\d+))?\((?P<values>[\w ]+)\)")
_FieldProto = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FieldProto.TYPE_STRING,
    "bool": _FieldProto.TYPE_BOOL,
    "float": _FieldProto.TYPE_FLOAT,
    "double": _FieldProto.TYPE_DOUBLE,
    "int32": _FieldProto.TYPE_INT32,
    "int64": _FieldProto.TYPE_INT64,
    "uint32": _FieldProto.TYPE_UINT32,
    "uint64": _FieldProto.TYPE_UINT64,
}


class _Row(NamedTuple):
    """One line of the table."""

    message: str
    field: str
    number: str
    repeated: str
    type: str
    default: str
    oneof: str


def new_config() -> Message:
    """Returns an empty config of TorchEasyRec."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{_ROOT}"))()


@lru_cache(maxsize=1)
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    messages: dict[str, descriptor_pb2.DescriptorProto] = {}
    enums: set[str] = set()

    def message(name: str) -> descriptor_pb2.DescriptorProto:
        if name not in messages:
            messages[name] = file.message_type.add(name=name)
        return messages[name]

    for row in _rows():
        field = message(row.message).field.add(name=row.field, number=int(row.number))
        field.label = _FieldProto.LABEL_REPEATED if row.repeated else _FieldProto.LABEL_OPTIONAL
        enum = _ENUM.fullmatch(row.type)
        if row.type in _SCALARS:
            field.type = _SCALARS[row.type]
        elif enum is None:
            # Messages without fields have no line of their own.
            message(row.type)
            field.type, field.type_name = _FieldProto.TYPE_MESSAGE, f".{_PACKAGE}.{row.type}"
        else:
            field.type, field.type_name = _FieldProto.TYPE_ENUM, f".{_PACKAGE}.{enum['name']}"
            if enum["name"] not in enums:
                _add_enum(file, enum)
                enums.add(enum["name"])
        if row.default:
            field.default_value = _default(row)
        if row.oneof:
            field.oneof_index = _oneof(message(row.message), row.oneof)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _rows() -> Iterator[_Row]:
    table = files("easymtl.convert").joinpath("torcheasyrec_fields.tsv").read_text(encoding="utf-8")
    lines = [line for line in table.split("\n") if line and not line.startswith("#")]
    return (_Row(*line.split("\t")) for line in lines[1:])


def _add_enum(file: descriptor_pb2.FileDescriptorProto, enum: re.Match[str]) -> None:
    added = file.enum_type.add(name=enum["name"])
    for number, value in enumerate(enum["values"].split(), start=int(enum["first"] or 0)):
        added.value.add(name=value, number=number)


def _oneof(message: descriptor_pb2.DescriptorProto, name: str) -> int:
    names = [oneof.name for oneof in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        names.append(name)
    return names.index(name)


def _default(row: _Row) -> str:
    if row.type == "string":
        return row.default.encode("ascii").decode("unicode_escape")
    return row.default.lower() if row.type == "bool" else row.default
