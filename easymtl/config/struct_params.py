"""Parameters that a config gives as keys and values, `st_params`, read into the message that they stand for."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from easymtl.config.rules.values import value_faults
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2

_INTEGERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)
_UNSIGNED = (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_LARGEST = 2**31


class _WrongValue(ValueError):
    """A value that a field cannot take; the text goes on after the field's name."""


def read_struct(struct: Struct, message: Message) -> list[str]:
    """Sets the fields of a message that keys of a struct name; returns what is wrong, a sentence each.

    Numbers of a struct are doubles: a field of whole numbers takes one without a fraction.
    """
    faults = list(_read(struct, message, ""))
    return faults or [f"{path} {text}" for path, text in value_faults(message)]


def _read(struct: Struct, message: Message, prefix: str) -> Iterator[str]:
    fields = message.DESCRIPTOR.fields_by_name
    for key in sorted(struct.fields):
        descriptor = fields.get(key)
        if descriptor is None:
            known = [name for name, field in fields.items() if not _reason(field)]
            named = f"; there are {quoted(known)}" if known else ": there are none"
            yield f'"{prefix}{key}" is no parameter of this layer{named}.{did_you_mean(key, known)}'
            continue
        if _reason(descriptor):
            yield f"{prefix}{key} is not supported. {_reason(descriptor)}"
            continue
        try:
            yield from _set(message, descriptor, struct.fields[key], f"{prefix}{key}")
        except _WrongValue as error:
            yield f"{prefix}{key} {error}"


def ignored_keys(struct: Struct, message: Message) -> Iterator[str]:
    """Yields a sentence for each key of a struct that a message takes and nothing reads; `read_struct` has read it."""
    yield from _ignored(struct, message.DESCRIPTOR, "")


def _ignored(struct: Struct, kind: Descriptor, prefix: str) -> Iterator[str]:
    for key in sorted(struct.fields):
        descriptor, value = kind.fields_by_name[key], struct.fields[key]
        reason = descriptor.GetOptions().Extensions[options_pb2.ignored]
        if reason:
            yield f"{prefix}{key} is ignored. {reason}"
        elif descriptor.message_type is not None and descriptor.is_repeated:
            values = value.list_value.values if value.HasField("list_value") else [value]
            for index, item in enumerate(values):
                yield from _ignored(item.struct_value, descriptor.message_type, f"{prefix}{key}[{index}].")
        elif descriptor.message_type is not None:
            yield from _ignored(value.struct_value, descriptor.message_type, f"{prefix}{key}.")


def _reason(descriptor: FieldDescriptor) -> str:
    options = descriptor.GetOptions().Extensions
    return options[options_pb2.refused] or options[options_pb2.later]


def _set(message: Message, descriptor: FieldDescriptor, value: Value, path: str) -> Iterator[str]:
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return
    if not descriptor.is_repeated:
        yield from _set_one(message, descriptor, value, path)
        return
    values = value.list_value.values if kind == "list_value" else [value]
    for index, item in enumerate(values):
        if descriptor.message_type is None:
            getattr(message, descriptor.name).append(_scalar(descriptor, item))
        else:
            inner = getattr(message, descriptor.name).add()
            yield from _read(_struct(item), inner, f"{path}[{index}].")


def _set_one(message: Message, descriptor: FieldDescriptor, value: Value, path: str) -> Iterator[str]:
    if descriptor.message_type is None:
        setattr(message, descriptor.name, _scalar(descriptor, value))
        return
    inner = getattr(message, descriptor.name)
    inner.SetInParent()
    yield from _read(_struct(value), inner, f"{path}.")


def _struct(value: Value) -> Struct:
    if value.WhichOneof("kind") != "struct_value":
        raise _WrongValue(f"is {_shown(value)}; it needs keys and values, struct_value {{ ... }}.")
    return value.struct_value


def _scalar(descriptor: FieldDescriptor, value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        _require(value, kind == "bool_value", "true or false, bool_value: true")
        return value.bool_value
    if descriptor.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        _require(value, kind == "string_value", 'a text, string_value: "..."')
        return value.string_value
    _require(value, kind == "number_value", "a number, number_value: 1")
    if descriptor.cpp_type in _FLOATS:
        return value.number_value
    assert descriptor.cpp_type in _INTEGERS, descriptor.full_name
    is_whole = value.number_value == int(value.number_value) if abs(value.number_value) < _LARGEST else False
    _require(value, is_whole, "a whole number")
    _require(value, value.number_value >= 0 or descriptor.cpp_type not in _UNSIGNED, "a number of 0 or more")
    return int(value.number_value)


def _require(value: Value, is_right: bool, wanted: str) -> None:
    if not is_right:
        raise _WrongValue(f"is {_shown(value)}; it needs {wanted}.")


def _shown(value: Value) -> str:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return f'"{value.string_value}"'
    if kind == "number_value":
        return f"{value.number_value:g}"
    if kind == "bool_value":
        return str(value.bool_value).lower()
    return "a list" if kind == "list_value" else "a struct"
