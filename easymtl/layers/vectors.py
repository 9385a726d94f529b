"""Values of block graphs taken apart: vectors along the last axis, and the vectors of several fields."""

from collections.abc import Callable

import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, describe
from easymtl.layers.steps import Steps


def vector_width(shape: Shape) -> int:
    """Returns the width of the vectors of `[batch, ..., width]` or of the steps of a history.

    Raises:
        ShapeFault: it is something else.
    """
    if isinstance(shape, History):
        return shape.width
    if isinstance(shape, Array) and len(shape.sizes) >= 2 and _is_numeric(shape):
        return shape.width
    raise ShapeFault(f"takes one tensor [batch, ..., width] or a history, but is given {describe(shape)}")


def with_width(shape: Shape, width: int) -> Shape:
    """Returns the shape that `vector_width` has accepted, with vectors of another width."""
    if isinstance(shape, History):
        return History(width)
    assert isinstance(shape, Array)
    return Array((*shape.sizes[:-1], width))


def on_vectors(x: tf.Tensor | Steps, function: Callable[[tf.Tensor], tf.Tensor], call: Call) -> tf.Tensor | Steps:
    """Returns the function of a tensor, or of the steps of a history.

    While training only steps that exist are handed on: norms and dropout must not depend on the padding.
    """
    if not isinstance(x, Steps):
        return function(x)
    steps = x.segments() if call.training else x
    return steps.replaced(function(steps.flat))


def field_widths(shape: Shape, least: int = 1) -> list[int]:
    """Returns the widths of the vectors of fields: a list of `[batch, width]`, or `[batch, fields, width]`.

    Args:
        shape: what a layer is given.
        least: how many fields it needs.

    Raises:
        ShapeFault: it is something else, or there are fewer fields.
    """
    widths: list[int] | None = None
    if isinstance(shape, Array) and len(shape.sizes) == 3 and shape.sizes[1] is not None and _is_numeric(shape):
        widths = [shape.width] * shape.sizes[1]
    elif isinstance(shape, list | tuple) and all(_is_vector(field) for field in shape):
        widths = [field.width for field in shape if isinstance(field, Array)]
    if widths is None or len(widths) < least:
        text = f"takes a list of {least} or more tensors [batch, width] or one [batch, fields, width]"
        raise ShapeFault(f"{text}, but is given {describe(shape)}")
    return widths


def equal_field_widths(shape: Shape, least: int = 1) -> tuple[int, int]:
    """Returns how many fields there are, and the width that their vectors have in common.

    Raises:
        ShapeFault: see `field_widths`; or their widths differ.
    """
    widths = field_widths(shape, least)
    if len(set(widths)) > 1:
        raise ShapeFault(f"takes fields of one width, but is given widths {', '.join(map(str, widths))}")
    return len(widths), widths[0]


def field_list(x: tf.Tensor | list[tf.Tensor], dtype: tf.DType) -> list[tf.Tensor]:
    """Returns the vectors of fields one by one, each `[batch, width]`."""
    return [tf.cast(field, dtype) for field in (x if isinstance(x, list | tuple) else tf.unstack(x, axis=1))]


def field_matrix(x: tf.Tensor | list[tf.Tensor], dtype: tf.DType) -> tf.Tensor:
    """Returns the vectors of fields of one width as `[batch, fields, width]`."""
    return tf.stack(field_list(x, dtype), axis=1) if isinstance(x, list | tuple) else tf.cast(x, dtype)


def require_pair(shape: Shape) -> tuple[int, int]:
    """Returns the widths of a list of two tensors `[batch, width]`.

    Raises:
        ShapeFault: it is something else.
    """
    if isinstance(shape, list | tuple) and len(shape) == 2 and all(_is_vector(one) for one in shape):
        return shape[0].width, shape[1].width  # type: ignore[union-attr]
    raise ShapeFault(f"takes a list of two tensors [batch, width], but is given {describe(shape)}")


def _is_vector(shape: Shape) -> bool:
    return isinstance(shape, Array) and len(shape.sizes) == 2 and shape.sizes[-1] is not None and _is_numeric(shape)


def _is_numeric(shape: Array) -> bool:
    return bool(shape.dtype.is_floating or shape.dtype.is_integer)
