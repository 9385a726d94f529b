"""What layers of attention take: a query, values and keys, each a tensor `[batch, items, width]` or a history."""

import functools
from dataclasses import dataclass

import tensorflow as tf

from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value, describe
from easymtl.layers.steps import Rectangle, Steps

_MASKED = 1e9
"""Is taken off the scores of what may not be attended to."""


@dataclass(frozen=True)
class Items:
    """The shape of items of a row.

    Attributes:
        number: how many there are; None if a batch decides.
        width: of an item.
        is_history: whether they are the steps of a history.
    """

    number: int | None
    width: int
    is_history: bool


@dataclass(frozen=True)
class AttentionShapes:
    """The shapes of a query, of values and of their keys."""

    query: Items
    value: Items
    key: Items

    def scores(self, *axes: int) -> Array:
        """Returns the shape of the weights, `[batch, *axes, items of the query, items of the values]`."""
        return Array((None, *axes, self.query.number, self.value.number))


def attention_shapes(shape: Shape) -> AttentionShapes:
    """Returns the shapes of a list [query, value] or [query, value, key].

    Raises:
        ShapeFault: it is something else, or there are not as many keys as values.
    """
    parts = list(shape) if isinstance(shape, list | tuple) else []
    items = [_items(part) for part in parts]
    if len(items) not in (2, 3) or None in items:
        text = "takes [query, value] or [query, value, key], each [batch, items, width] or a history"
        raise ShapeFault(f"{text}, but is given {describe(shape)}")
    query, value, key = [*items, items[1]][:3]
    assert query and value and key
    if (value.number, value.is_history) != (key.number, key.is_history):
        raise ShapeFault(f"takes a key for each value, but is given {describe(parts[1])} and {describe(parts[2])}")
    return AttentionShapes(query, value, key)


def check_attention(shapes: AttentionShapes, is_causal: bool) -> None:
    """Checks that items have the order that a causal mask needs.

    Raises:
        ShapeFault: queries are not the values, one by one.
    """
    query, value = shapes.query, shapes.value
    if is_causal and (query.number, query.is_history) != (value.number, value.is_history):
        raise ShapeFault("has use_causal_mask, for which there must be as many queries as values: leave it out")


def result_shape(shapes: AttentionShapes, width: int) -> Shape:
    """Returns the shape of one vector for each item of the query."""
    return History(width) if shapes.query.is_history else Array((None, shapes.query.number, width))


class AttentionInputs:
    """A query, values and their keys.

    Attributes:
        tensors: query, value, key, each `[batch, items, width]`; padding of histories is 0.
    """

    def __init__(self, x: list[Value]):
        query, value, key = [*x, x[1]][:3]
        self._query = query.rectangle() if isinstance(query, Steps) else None
        self._value = value.rectangle() if isinstance(value, Steps) else None
        of_query = query if self._query is None else self._query.values
        of_value = value if self._value is None else self._value.values
        of_key = of_value if key is value else key.rectangle().values if isinstance(key, Steps) else key
        self.tensors = (of_query, of_value, of_key)

    def softmax(self, scores: tf.Tensor, is_causal: bool, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Returns weights float32 that sum to 1 over the values; where none may be attended to they are equal.

        Args:
            scores: float `[batch, (heads,) items of the query, items of the values]`.
            is_causal: whether an item attends to none behind it.
            mask: bool `[batch, items]`, of the query and the values, where they are the same ones.
        """
        masks = [] if mask is None else [mask[:, tf.newaxis, :] & mask[:, :, tf.newaxis]]
        if self._value is not None:
            masks.append(self._value.mask()[:, tf.newaxis, :])
        masks = [one[:, tf.newaxis] for one in masks] if len(scores.shape) == 4 else masks
        if is_causal:
            queries, values = tf.shape(scores)[-2], tf.shape(scores)[-1]
            masks.append(tf.range(queries)[:, tf.newaxis] >= tf.range(values))
        scores = tf.cast(scores, tf.float32)
        if masks:
            # Taken off, and not put in their place: where none may be attended to, the scores still learn.
            scores -= _MASKED * tf.cast(tf.logical_not(functools.reduce(tf.logical_and, masks)), tf.float32)
        return tf.nn.softmax(scores)

    def like_query(self, values: tf.Tensor) -> Value:
        """Returns `[batch, items of the query, width]` as a history if the query is one."""
        return values if self._query is None else Rectangle(values, self._query.lengths)


def _items(shape: Shape) -> Items | None:
    if isinstance(shape, History):
        return Items(None, shape.width, True)
    if isinstance(shape, Array) and len(shape.sizes) == 3 and shape.sizes[2] is not None and shape.dtype != tf.string:
        return Items(shape.sizes[1], shape.width, False)
    return None
