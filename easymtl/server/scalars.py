"""Values of JSON as an array of the type that an input takes; what does not fit is told with its place."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from easymtl.server.checks import expected
from easymtl.server.refusal import invalid
from easymtl.server.signature import Tensor

Place = Callable[[int], str]

WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
"""What JSON has no number for. Infinity that is not the value here was written as a number, and was too large."""

_NUMBERS = {int, float}
_WHOLE = {
    tf.int32: (np.int32, -(1 << 31), (1 << 31) - 1),
    tf.int64: (np.int64, -(1 << 63), (1 << 63) - 1),
}
_DECIMAL = {
    tf.float32: (np.float32, float(np.finfo(np.float32).max)),
    tf.float64: (np.float64, float(np.finfo(np.float64).max)),
}


def array_of(tensor: Tensor, values: Sequence[Any], place: Place) -> np.ndarray:
    """Returns values `[n]` as an array.

    Args:
        tensor: the input.
        values: what JSON holds: texts, numbers, true and false, or `{"b64": ...}`.
        place: the words for where the value of an index is.

    Raises:
        Refusal: a value is none of the type.
    """
    made = _MAKERS.get(tensor.dtype)
    if made is None:
        raise invalid(f'input "{tensor.name}" is {tensor.dtype.name}, which JSON has no values for: use gRPC.')
    return made(tensor, values, place)


def refuse(tensor: Tensor, values: Sequence[Any], place: Place, is_wrong: Callable[[Any], bool]) -> NoReturn:
    """Refuses the first value that is wrong."""
    index, value = next((index, value) for index, value in enumerate(values) if is_wrong(value))
    raise invalid(f'input "{tensor.name}": {place(index)} {shown(value)}.{expected(tensor)}')


def shown(value: Any) -> str:
    """Returns a value as JSON writes it, cut where it is long."""
    words = {type(None): "null", dict: "an object", list: "a list"}
    if type(value) in words:
        return words[type(value)]
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _texts(tensor: Tensor, values: Sequence[Any], place: Place) -> np.ndarray:
    array = np.empty(len(values), object)
    try:
        array[:] = [value.encode() if type(value) is str else _bytes(value) for value in values]
    except (UnicodeEncodeError, binascii.Error, ValueError, TypeError):
        refuse(tensor, values, place, _is_no_text)
    return array


def _bytes(value: Any) -> bytes:
    if type(value) is not dict or set(value) != {"b64"}:
        raise TypeError
    return base64.b64decode(value["b64"], validate=True)


def _is_no_text(value: Any) -> bool:
    try:
        value.encode() if type(value) is str else _bytes(value)
    except (UnicodeEncodeError, binascii.Error, ValueError, TypeError):
        return True
    return False


def _booleans(tensor: Tensor, values: Sequence[Any], place: Place) -> np.ndarray:
    if not set(map(type, values)) <= {bool}:
        refuse(tensor, values, place, lambda value: type(value) is not bool)
    return np.array(values, np.bool_)


def _whole_numbers(tensor: Tensor, values: Sequence[Any], place: Place) -> np.ndarray:
    kind, least, most = _WHOLE[tensor.dtype]

    def is_wrong(value: Any) -> bool:
        is_number = type(value) is int or (type(value) is float and value.is_integer())
        return not is_number or not least <= value <= most

    types = set(map(type, values))
    if not types <= _NUMBERS or (float in types and any(map(is_wrong, values))):
        refuse(tensor, values, place, is_wrong)
    if values and not (least <= min(values) and max(values) <= most):
        refuse(tensor, values, place, is_wrong)
    return np.array([int(value) for value in values] if float in types else values, kind)


def _decimals(tensor: Tensor, values: Sequence[Any], place: Place) -> np.ndarray:
    kind, largest = _DECIMAL[tensor.dtype]

    def is_wrong(value: Any) -> bool:
        if type(value) not in _NUMBERS:
            return True
        is_word = any(value is word for word in WORDS.values())
        return not is_word and abs(value) > largest

    if not set(map(type, values)) <= _NUMBERS:
        refuse(tensor, values, place, is_wrong)
    try:
        wide = np.array(values, np.float64)
    except OverflowError:
        refuse(tensor, values, place, is_wrong)
    # An infinite value is looked at once more: most have none.
    if (np.abs(wide) > largest).any() and any(map(is_wrong, values)):
        refuse(tensor, values, place, is_wrong)
    return wide.astype(kind)


_MAKERS: dict[tf.DType, Callable[[Tensor, Sequence[Any], Place], np.ndarray]] = {
    tf.string: _texts,
    tf.bool: _booleans,
    tf.int32: _whole_numbers,
    tf.int64: _whole_numbers,
    tf.float32: _decimals,
    tf.float64: _decimals,
}
