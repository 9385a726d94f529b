"""What layers of block graphs take that read a history: its steps, their number, and further tensors."""

from dataclasses import dataclass

import tensorflow as tf

from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value, describe
from easymtl.layers.steps import Rectangle, Steps


@dataclass(frozen=True)
class HistoryShape:
    """The shape of a history and of what goes with it.

    Attributes:
        width: of a step.
        query: width of the target; None where there is none.
    """

    width: int
    query: int | None


def history_shape(shape: Shape, takes_query: bool = False) -> HistoryShape:
    """Returns the shape of `(steps, lengths)` or `(steps, lengths, query)`; a history alone knows its lengths.

    Steps are a history, or `[batch, steps, width]` where a function of a config made a tensor of it; a query that is
    nothing, of a group without further features, counts as none.

    Args:
        shape: what a layer is given.
        takes_query: whether the layer has a use for a query; others ignore it, as it comes with the history.

    Raises:
        ShapeFault: it is something else.
    """
    parts: list[Shape] = list(shape) if isinstance(shape, list | tuple) else [shape]
    text = "takes (history, lengths, target)" if takes_query else "takes (history, lengths)"
    fault = ShapeFault(
        f"{text} as an input_layer with output_seq_and_normal_feature gives it, but is given {describe(shape)}"
    )
    if not 1 <= len(parts) <= 3 or not _is_lengths(parts[1:2], isinstance(parts[0], History)):
        raise fault
    query = parts[2] if len(parts) == 3 else None
    if not (query is None or (isinstance(query, Array) and len(query.sizes) == 2 and query.dtype != tf.string)):
        raise fault
    return HistoryShape(_step_width(parts[0], fault), query.width if isinstance(query, Array) else None)


def history_of(x: Value) -> tuple[Steps, tf.Tensor | None]:
    """Returns the history and the query, or None, of a value whose shape `history_shape` has accepted."""
    parts = list(x) if isinstance(x, list | tuple) else [x]
    query = parts[2] if len(parts) == 3 else None
    if isinstance(parts[0], Steps):
        return parts[0], query
    return Rectangle(parts[0], tf.cast(tf.reshape(parts[1], [-1]), tf.int32)), query


def _step_width(shape: Shape, fault: ShapeFault) -> int:
    if isinstance(shape, History):
        return shape.width
    if isinstance(shape, Array) and len(shape.sizes) == 3 and shape.sizes[2] is not None and shape.dtype != tf.string:
        return shape.width
    raise fault


def _is_lengths(shapes: list[Shape], is_history: bool) -> bool:
    if not shapes:
        return is_history
    [shape] = shapes
    return isinstance(shape, Array) and shape.sizes in ((None,), (None, 1)) and shape.dtype != tf.string
