"""What is checked of a request before it waits for its turn: names, types, axes and numbers of rows."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from easymtl.errors import did_you_mean, quoted
from easymtl.server.refusal import Refusal, invalid
from easymtl.server.signature import NO_PADDING, Signature, Tensor

_SHOWN = 10


@dataclass(frozen=True)
class Limits:
    """How much a request may ask for.

    Attributes:
        rows: most rows of a request.
        bytes: most bytes of a request's body.
        seconds: longest time until the answer.
    """

    rows: int
    bytes: int
    seconds: float


def check_names(signature: Signature, given: Iterable[str]) -> None:
    """Sees that a request holds all inputs of a signature and nothing else.

    Raises:
        Refusal: it does not; the text names the input and the nearest name.
    """
    given = set(given)
    strange = sorted(given - set(signature.inputs))
    absent = [name for name in signature.inputs if name not in given]
    of_signature = f'of the signature "{signature.name}"'
    if strange:
        hint = did_you_mean(strange[0], absent or signature.inputs)
        raise invalid(
            f"there is no input {quoted(strange, _SHOWN)} {of_signature}, which takes "
            f"{quoted(signature.inputs, _SHOWN)}.{hint}"
        )
    if absent:
        first = signature.inputs[absent[0]]
        told = f"inputs {quoted(absent, _SHOWN)} are" if len(absent) > 1 else f"input {quoted(absent)} is"
        raise invalid(f"{told} not there, {of_signature}.{expected(first)}")


def check_shapes(signature: Signature, shapes: Mapping[str, tuple[int, ...]], limits: Limits) -> int:
    """Sees that the inputs have their axes, one number of rows and a size that fits; returns the number of rows.

    It is asked before anything of that size is made: padding and repeated values make much of few bytes.

    Raises:
        Refusal: they do not; the text names the input.
    """
    first = next(iter(shapes.values()), ())
    if not (signature.is_flat and len(first) == 1 and all(shape == first for shape in shapes.values())):
        _check_size(shapes, limits)
        _check_one_by_one(signature, shapes)
    num_rows = signature.num_rows(shapes)
    if num_rows > limits.rows:
        raise invalid(f"the request has {num_rows:,} rows, and one may have {limits.rows:,} (--max_rows).")
    return num_rows


def _check_one_by_one(signature: Signature, shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, tensor in signature.inputs.items():
        if not _fits(tensor, shapes[name]):
            raise invalid(f'input "{name}" has the shape {list(shapes[name])}.{expected(tensor)}')
    sizes = {name: shapes[name][0] for name, tensor in signature.inputs.items() if tensor.is_by_row}
    if len(set(sizes.values())) > 1:
        raise invalid(_unequal(sizes))


def _check_size(shapes: Mapping[str, tuple[int, ...]], limits: Limits) -> None:
    """Sees that there are no more values than a request of so many bytes could hold one by one."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    total = sum(sizes.values())
    if total > limits.bytes:
        name = max(sizes, key=sizes.__getitem__)
        raise invalid(
            f'input "{name}" has the shape {list(shapes[name])}, and all inputs together {total:,} values: more than a '
            f"request may hold, {limits.bytes:,} (--max_bytes)."
        )


def expected(tensor: Tensor) -> str:
    """Returns the sentence of what an input takes."""
    text = f' "{tensor.name}" takes {tensor}'
    if tensor.missing is not None:
        shown = f'"{tensor.missing}"' if isinstance(tensor.missing, str) else str(tensor.missing).lower()
        return f"{text}, with {shown} in place of a missing value."
    if tensor.padding is not NO_PADDING:
        shown = f'"{tensor.padding}"' if isinstance(tensor.padding, str) else tensor.padding
        return f"{text}, with {shown} behind the last value of a row."
    return f"{text}."


def at_row(name: str, row: int, text: str) -> Refusal:
    """Returns the refusal of a value."""
    return invalid(f'input "{name}": row {row} (the first is 0) {text}')


def _fits(tensor: Tensor, shape: tuple[int, ...]) -> bool:
    if tensor.shape is None:
        return True
    return len(tensor.shape) == len(shape) and all(
        wanted is None or wanted == found for wanted, found in zip(tensor.shape, shape)
    )


def _unequal(sizes: Mapping[str, int]) -> str:
    """Returns the sentence that the graph says too: the inputs that differ from most, and one that does not."""
    usual = Counter(sizes.values()).most_common(1)[0][0]
    told = [f"{name} {size}" for name, size in sizes.items() if size != usual]
    told.append(next(f"{name} {size}" for name, size in sizes.items() if size == usual))
    return (
        f"inputs have different numbers of rows: {', '.join(told)}. Each input holds one value for each row of the "
        "request."
    )
