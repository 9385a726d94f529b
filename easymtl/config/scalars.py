"""Turns the tokens of one scalar value into the Python value of a protobuf field, or says what is wrong."""

import math
import re
from collections.abc import Callable

from google.protobuf import text_encoding
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from easymtl.config.lexer import Token
from easymtl.errors import did_you_mean, quoted
from easymtl.protos import options_pb2

_FLOAT32_MAX = 3.4028234663852886e38
_BOOLEANS = {"true": True, "t": True, "True": True, "1": True, "false": False, "f": False, "False": False, "0": False}
_NOT_FINITE = {"inf": math.inf, "inff": math.inf, "infinity": math.inf, "infinityf": math.inf}
_NOT_FINITE |= {"nan": math.nan, "nanf": math.nan}
_LONGEST_INTEGER = 30
_OCTAL = re.compile(r"0[0-7]+")

_INTEGER_BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}

Scalar = str | bytes | int | float | bool


class ScalarError(ValueError):
    """What is wrong with a value; the parser knows where it stands."""


def read_scalar(field: FieldDescriptor, value: list[Token]) -> Scalar:
    """Returns the value of `field` that the tokens spell.

    Args:
        field: A field that is no message.
        value: One token, a `-` and a token, or adjacent string literals.

    Raises:
        ScalarError: The tokens are no value of the field's type.
    """
    return _READERS[field.cpp_type](field, value)


def type_name(field: FieldDescriptor) -> str:
    """Returns what a field holds in words of the config: `a text in quotes`, `a whole number`."""
    return _TYPE_NAMES[field.cpp_type]


def _read_string(field: FieldDescriptor, value: list[Token]) -> str | bytes:
    if value[0].kind != "string":
        hint = f' Write "{value[0].text}".' if value[0].kind in ("word", "number") and len(value) == 1 else ""
        raise ScalarError(f"needs a text in quotes, found {_shown(value)}.{hint}")
    try:
        content = b"".join(text_encoding.CUnescape(token.text[1:-1]) for token in value)
    except ValueError as error:
        raise ScalarError(f"has a wrong backslash escape in {_shown(value)} ({error}).") from error
    if field.type == FieldDescriptor.TYPE_BYTES:
        return content
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScalarError(f"has a text that is not UTF-8: {_shown(value)}.") from error


def _read_integer(field: FieldDescriptor, value: list[Token]) -> int:
    text, sign = _number_text(value)
    number = _integer(text)
    low, high = _INTEGER_BOUNDS[field.cpp_type]
    if number is None:
        raise ScalarError(f"needs {type_name(field)}, found {_shown(value)}.")
    if not low <= sign * number <= high:
        raise ScalarError(f"is {_shown(value)}, but must lie between {low} and {high}.")
    return sign * number


def _read_float(field: FieldDescriptor, value: list[Token]) -> float:
    text, sign = _number_text(value)
    lower = text.lower()
    if lower in _NOT_FINITE:
        return sign * _NOT_FINITE[lower]
    whole = _integer(text)
    try:
        number = float(whole) if whole is not None else float(lower.removesuffix("f"))
    except (ValueError, OverflowError) as error:
        raise ScalarError(f"needs a number, found {_shown(value)}.") from error
    is_float32 = field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
    if math.isinf(number) or (is_float32 and number > _FLOAT32_MAX):
        bits = 32 if is_float32 else 64
        raise ScalarError(f"is {_shown(value)}, too large for a float of {bits} bits.")
    return sign * number


def _read_bool(field: FieldDescriptor, value: list[Token]) -> bool:
    if len(value) == 1 and value[0].text in _BOOLEANS:
        return _BOOLEANS[value[0].text]
    raise ScalarError(f"needs true or false, found {_shown(value)}.")


def _read_enum(field: FieldDescriptor, value: list[Token]) -> int:
    enum: EnumDescriptor = field.enum_type
    token = value[-1]
    if len(value) == 1 and token.kind == "word":
        if token.text in enum.values_by_name:
            return enum.values_by_name[token.text].number
        raise ScalarError(_unknown_name(enum, token.text))
    text, sign = _number_text(value)
    number = _integer(text)
    if number is not None and sign * number in enum.values_by_number:
        return sign * number
    hint = ""
    if token.kind == "string" and token.text[1:-1] in enum.values_by_name:
        hint = f" Write {token.text[1:-1]} without quotes."
    raise ScalarError(f"needs one of {', '.join(_names_of_use(enum))}; found {_shown(value)}.{hint}")


def _unknown_name(enum: EnumDescriptor, name: str) -> str:
    shown = name if len(name) <= 60 else name[:60] + "..."
    known = _names_of_use(enum)
    return f'is "{shown}", which is none of {quoted(known, 30)}.{did_you_mean(name[:60], known)}'


def _names_of_use(enum: EnumDescriptor) -> list[str]:
    """Returns the names that are neither refused nor still to come."""
    without = (options_pb2.value_refused, options_pb2.value_later)
    return [v.name for v in enum.values if not any(v.GetOptions().Extensions[option] for option in without)]


def _number_text(value: list[Token]) -> tuple[str, int]:
    """Returns the text of a number without its sign, and the sign."""
    return value[-1].text, -1 if value[0].text == "-" and len(value) == 2 else 1


def _integer(text: str) -> int | None:
    if len(text) > _LONGEST_INTEGER:
        text = text.lstrip("0")[: _LONGEST_INTEGER + 1] if text.isdigit() else ""
    try:
        return int(text, 8) if _OCTAL.fullmatch(text) else int(text, 0)
    except ValueError:
        return None


def _shown(value: list[Token]) -> str:
    return "".join(token.shown for token in value[:2])


_READERS: dict[int, Callable[[FieldDescriptor, list[Token]], Scalar]] = {
    FieldDescriptor.CPPTYPE_STRING: _read_string,
    FieldDescriptor.CPPTYPE_BOOL: _read_bool,
    FieldDescriptor.CPPTYPE_ENUM: _read_enum,
    FieldDescriptor.CPPTYPE_FLOAT: _read_float,
    FieldDescriptor.CPPTYPE_DOUBLE: _read_float,
    **dict.fromkeys(_INTEGER_BOUNDS, _read_integer),
}
_TYPE_NAMES = {
    FieldDescriptor.CPPTYPE_STRING: "a text in quotes",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_ENUM: "a name of its list",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_MESSAGE: "a message in { }",
    FieldDescriptor.CPPTYPE_INT32: "a whole number",
    FieldDescriptor.CPPTYPE_INT64: "a whole number",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number, 0 or more",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number, 0 or more",
}
