"""Requests and answers in TensorFlow Serving's JSON: by rows (`instances`) or by columns (`inputs`)."""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from easymtl.errors import did_you_mean, quoted
from easymtl.server.checks import Limits, at_row, check_names, check_shapes, expected
from easymtl.server.refusal import invalid
from easymtl.server.scalars import WORDS, array_of, shown
from easymtl.server.signature import Arrays, Signature, Tensor

_KEYS = ("instances", "inputs", "signature_name")
_DEEPEST = 8


@dataclass(frozen=True)
class JsonRequest:
    """A body that is JSON and says what it holds, and is not yet held against a signature.

    Attributes:
        signature_name: of the signature; empty for `serving_default`.
        is_rows: whether it holds rows, and its answer will.
        content: what stands under `instances` or `inputs`.
    """

    signature_name: str
    is_rows: bool
    content: Any


def read(body: bytes) -> JsonRequest:
    """Returns what a body says.

    Raises:
        Refusal: it is no JSON, or no request.
    """
    try:
        said = json.loads(body, parse_constant=WORDS.__getitem__)
    except RecursionError:
        raise invalid("the body is JSON that is nested too deeply.") from None
    except ValueError as error:
        raise invalid(f"the body is no JSON: {error}.") from None
    if not isinstance(said, dict):
        raise invalid(
            f'the body has to be an object, {{"instances": [...]}} or {{"inputs": ...}}: it is {shown(said)}.'
        )
    strange = [key for key in said if key not in _KEYS]
    if strange:
        raise invalid(f"a request has no {quoted(strange, 5)}, but {quoted(_KEYS)}.{did_you_mean(strange[0], _KEYS)}")
    forms = [key for key in _KEYS[:2] if key in said]
    if len(forms) != 1:
        found = "both are" if forms else "neither is"
        raise invalid(f'a request holds rows as "instances" or columns as "inputs": {found} there.')
    name = said.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f'"signature_name" has to be a text: it is {shown(name)}.')
    return JsonRequest(name, forms[0] == "instances", said[forms[0]])


def arrays_of(request: JsonRequest, signature: Signature, limits: Limits) -> tuple[Arrays, int]:
    """Returns the inputs as arrays, checked, and the number of rows.

    Raises:
        Refusal: they are not what the signature takes; the text names the input.
    """
    columns: Mapping[str, Any]
    if request.is_rows:
        columns = _columns_of_rows(request.content, signature, limits)
    else:
        columns = _columns(request.content, signature)
    shapes = {name: _shape(tensor, columns[name]) for name, tensor in signature.inputs.items()}
    num_rows = check_shapes(signature, shapes, limits)
    return {name: _array(one, columns[name], shapes[name]) for name, one in signature.inputs.items()}, num_rows


def _columns_of_rows(rows: Any, signature: Signature, limits: Limits) -> dict[str, list]:
    if not isinstance(rows, list):
        raise invalid(f'"instances" has to be a list of rows: it is {shown(rows)}.')
    if len(rows) > limits.rows:
        raise invalid(f"the request has {len(rows):,} rows, and one may have {limits.rows:,} (--max_rows).")
    names = signature.inputs.keys()
    if len(names) == 1 and not any(_is_named(row, names) for row in rows):
        # The short form: the value itself in place of an object with one name.
        (name,) = names
        return {name: rows}
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise invalid(
                f"instances: row {number} (the first is 0) is {shown(row)}, and has to be an object with a value for "
                f"each of {quoted(names, 10)}."
            )
        if row.keys() != names:
            try:
                check_names(signature, row)
            except Exception as error:
                error.args = (f"instances: row {number} (the first is 0): {error}",)
                raise
    return {name: [row[name] for row in rows] for name in names}


def _columns(content: Any, signature: Signature) -> Mapping[str, Any]:
    names = signature.inputs.keys()
    if len(names) == 1 and not _is_named(content, names):
        # The short form: the column itself.
        return {next(iter(names)): content}
    if not isinstance(content, dict):
        raise invalid(f'"inputs" has to be an object with a list for each of {quoted(names, 10)}.')
    check_names(signature, content)
    return content


def _is_named(value: Any, names: Collection[str]) -> bool:
    """Returns whether a value is an object of names and not the bytes of a text."""
    return isinstance(value, dict) and (value.keys() != {"b64"} or "b64" in names)


def _array(tensor: Tensor, column: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a column of nested lists as an array."""
    if len(shape) == 1:
        return array_of(tensor, column, _place_of_row)
    flat = _flat(tensor, column, shape)
    size = max(1, len(flat) // shape[0] if shape and shape[0] else 1)
    return array_of(tensor, flat, lambda index: _place_of_row(index // size)).reshape(shape)


def _place_of_row(index: int) -> str:
    return f"row {index} (the first is 0) holds"


def _shape(tensor: Tensor, column: Any) -> tuple[int, ...]:
    """Returns the axes of nested lists: of each axis the longest, where rows may be padded."""
    rank = None if tensor.shape is None else len(tensor.shape)
    if rank == 1 and type(column) is list:
        # Nearly all are this: nothing to walk through. Lists among the values are none of any type.
        return (len(column),)
    shape: list[int] = []
    level = [column]
    while level and any(isinstance(value, list) for value in level) and len(shape) < _DEEPEST:
        lists = [value for value in level if isinstance(value, list)]
        lengths = {len(value) for value in lists}
        is_even = len(lengths) == 1 and len(lists) == len(level)
        if not is_even and (not tensor.may_differ(len(shape)) or len(lists) != len(level)):
            raise _uneven(tensor, level, len(shape))
        shape.append(max(lengths))
        level = [value for one in lists for value in one]
    if rank is not None and not level:
        # Nothing says how long the axes behind an empty one are.
        wanted = tensor.shape or ()
        shape += [wanted[place] or 0 for place in range(len(shape), rank)]
    if rank is not None and len(shape) != rank:
        raise invalid(f'input "{tensor.name}" has the shape {shape}.{expected(tensor)}')
    return tuple(shape)


def _uneven(tensor: Tensor, level: Sequence[Any], depth: int) -> Exception:
    """Returns the refusal of lists that differ in length, at the first row that differs from the one before."""
    lengths = [len(value) if isinstance(value, list) else None for value in level]
    place = next(index for index, length in enumerate(lengths) if length != lengths[0])
    if depth != 1:
        return invalid(f'input "{tensor.name}" holds lists of different lengths.{expected(tensor)}')
    told = ["no list" if length is None else f"{length} values" for length in (lengths[place], lengths[0])]
    return at_row(tensor.name, place, f"holds {told[0]}, and row 0 {told[1]}.{expected(tensor)}")


def _flat(tensor: Tensor, column: Any, shape: tuple[int, ...]) -> list:
    """Returns the values of nested lists one behind the other, lists padded to the same length."""
    level = [column]
    for place, length in enumerate(shape):
        # What stands for a list that is not there is padded in its turn.
        filling = tensor.padding if place == len(shape) - 1 else []
        level = [
            value
            for one in level
            for value in (one if len(one) == length else [*one, *[filling] * (length - len(one))])
        ]
    return level


def answer(request: JsonRequest, outputs: Arrays) -> bytes:
    """Returns the body of an answer, in the form of the request: rows for rows, columns for columns.

    NaN and infinity are written as the words NaN, Infinity and -Infinity, as TensorFlow Serving does.
    """
    columns = {name: values_of(name, array) for name, array in outputs.items()}
    if request.is_rows:
        is_single = len(columns) == 1
        rows = (
            next(iter(columns.values())) if is_single else [dict(zip(columns, row)) for row in zip(*columns.values())]
        )
        document: dict[str, Any] = {"predictions": rows}
    else:
        document = {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}
    return json.dumps(document, ensure_ascii=False).encode()


def values_of(name: str, array: np.ndarray) -> Any:
    """Returns a tensor as nested lists, texts in UTF-8 as they are."""
    if array.dtype != object:
        return array.tolist()
    return _text_or_base64(array.tolist(), name.endswith("_bytes"))


def _text_or_base64(value: Any, is_bytes: bool) -> Any:
    """Returns texts as they are; what is none, or is called `..._bytes`, as base64."""
    if isinstance(value, list):
        return [_text_or_base64(one, is_bytes) for one in value]
    if not is_bytes:
        try:
            return value.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(value).decode()}
