"""What stands between the layers of a block graph: tensors, histories and lists of them, and their shapes.

A block hands on a tensor, the `Steps` of a history, a list of these (results of several branches) or a tuple (several
results of one layer). A shape says the same before anything is built.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import tensorflow as tf

from easymtl.errors import did_you_mean, quoted
from easymtl.layers.steps import Steps

MOST_VALUES = 10_000
_DEEPEST = 20

Value: TypeAlias = "tf.Tensor | Steps | list[Value] | tuple[Value, ...] | None"


@dataclass(frozen=True)
class Array:
    """The shape of a tensor.

    Attributes:
        sizes: of its axes; None is what a batch decides: its rows, mostly the first axis, and its longest history.
        dtype: of its values; what layers make is float32, or the precision of the call.
    """

    sizes: tuple[int | None, ...]
    dtype: tf.DType = tf.float32

    @property
    def width(self) -> int:
        """Returns the last axis.

        Raises:
            ShapeFault: there is none of a fixed size.
        """
        if not self.sizes or self.sizes[-1] is None:
            raise ShapeFault(f"{self} has no last axis of a fixed size")
        return self.sizes[-1]

    def __str__(self) -> str:
        sizes = ["?" if size is None else str(size) for size in self.sizes]
        if sizes and self.sizes[0] is None:
            sizes[0] = "batch"
        return f"[{', '.join(sizes)}]{' of texts' if self.dtype == tf.string else ''}"


@dataclass(frozen=True)
class History:
    """The shape of `Steps`: per row any number of vectors.

    Attributes:
        width: of a step.
    """

    width: int

    def __str__(self) -> str:
        return f"[batch, steps, {self.width}]"


Shape: TypeAlias = "Array | History | list[Shape] | tuple[Shape, ...] | None"
"""None: there is no value, as the features besides the histories where a group has none."""


class ShapeFault(ValueError):
    """Something is put into a layer that it cannot take; the text says what it takes, the caller adds which layer."""


def vector(width: int) -> Array:
    """Returns the shape `[batch, width]`."""
    return Array((None, width))


def describe(shape: Shape) -> str:
    """Returns a shape for messages: `[batch, 16]`, a list as `2 x [...]` or one by one, a tuple in parentheses."""
    if shape is None:
        return "nothing"
    if isinstance(shape, list) and len(shape) > 1 and all(one == shape[0] for one in shape):
        return f"a list of {len(shape)} x {describe(shape[0])}"
    if isinstance(shape, list):
        return f"a list ({', '.join(map(describe, shape))})"
    if isinstance(shape, tuple):
        return f"({', '.join(map(describe, shape))})"
    return str(shape)


def require_vector(shape: Shape) -> int:
    """Returns the width of `[batch, width]`.

    Raises:
        ShapeFault: it is something else, or holds texts.
    """
    if isinstance(shape, Array) and len(shape.sizes) == 2 and shape.sizes[0] is None and shape.dtype != tf.string:
        return shape.width
    raise ShapeFault(f"takes one tensor [batch, width], but is given {describe(shape)}")


def require_list(shape: Shape, least: int = 1) -> list[Shape]:
    """Returns the shapes of a list of at least so many values.

    Raises:
        ShapeFault: it is no list, or a shorter one.
    """
    if isinstance(shape, list) and len(shape) >= least:
        return shape
    raise ShapeFault(f"takes a list of {least} or more values, but is given {describe(shape)}")


def require_few_values(*shapes: Shape | Value) -> None:
    """Checks that lists are not so long or deep, each list counted where it stands, that a few blocks fill the memory.

    Raises:
        ShapeFault: they are.
    """
    waiting: list[tuple[Any, int]] = [(shape, 0) for shape in shapes]
    count = 0
    while waiting:
        shape, depth = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise ShapeFault(f"makes a list of more than {MOST_VALUES:,} values, those of lists in it included")
        if isinstance(shape, list | tuple):
            if depth == _DEEPEST:
                raise ShapeFault(f"puts lists into lists, more than {_DEEPEST} deep")
            waiting += [(one, depth + 1) for one in shape[: MOST_VALUES + 1]]


def require_choice(text: str, field: str, known: Collection[str]) -> None:
    """Checks that what a config says is one of a few names.

    Raises:
        ShapeFault: it is none of them.
    """
    if text not in known:
        raise ShapeFault(f'has {field} "{text}", which is none of {quoted(known)}.{did_you_mean(text, known)}')


def fixed_sizes(shape: Shape) -> tuple[int, ...]:
    """Returns the sizes of the axes of a tensor behind the batch.

    Raises:
        ShapeFault: it is no tensor, or a batch decides on one of them.
    """
    sizes = shape.sizes[1:] if isinstance(shape, Array) and shape.sizes else (None,)
    if any(size is None for size in sizes):
        raise ShapeFault(f"takes a tensor whose sizes are fixed but for the batch, but is given {describe(shape)}")
    return tuple(size for size in sizes if size is not None)
