"""Keras' own layers that make one tensor of several."""

from collections.abc import Sequence
from functools import reduce

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Array, Shape, ShapeFault, describe, require_list, vector
from easymtl.layers.vectors import require_pair
from easymtl.protos import keras_pb2


class ElementWise(NamedLayer):
    """Tensors of one shape, value by value; an axis of size 1 goes with any size."""

    @staticmethod
    def shape(config: keras_pb2.NoParameters, inputs: Shape) -> Shape:
        """Returns the shape of all of them."""
        arrays = _arrays(inputs)
        if len({len(array.sizes) for array in arrays}) > 1:
            raise ShapeFault(f"takes tensors of one shape, but is given {describe(inputs)}")
        sizes: list[int | None] = []
        for axis in zip(*(array.sizes for array in arrays), strict=True):
            wanted = {size for size in axis if size != 1} or {1}
            if len(wanted) > 1:
                raise ShapeFault(f"takes tensors of one shape, but is given {describe(inputs)}")
            sizes += wanted
        return Array(tuple(sizes))

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns one tensor."""
        raise NotImplementedError

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of tensors to one of their shape."""
        return self.merge([tf.cast(tensor, call.dtype) for tensor in x])


class Add(ElementWise):
    """The sum of tensors."""

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns their sum."""
        return reduce(tf.add, tensors)


class Subtract(ElementWise):
    """The first tensor without the second one."""

    @staticmethod
    def shape(config: keras_pb2.NoParameters, inputs: Shape) -> Shape:
        """Returns the shape of both."""
        if len(_arrays(inputs)) != 2:
            raise ShapeFault(f"takes a list of two tensors, but is given {describe(inputs)}")
        return ElementWise.shape(config, inputs)

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns their difference."""
        return tensors[0] - tensors[1]


class Multiply(ElementWise):
    """The product of tensors."""

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns their product."""
        return reduce(tf.multiply, tensors)


class Average(ElementWise):
    """The mean of tensors."""

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns their mean."""
        return reduce(tf.add, tensors) / len(tensors)


class Maximum(ElementWise):
    """The largest of each value."""

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the largest values."""
        return reduce(tf.maximum, tensors)


class Minimum(ElementWise):
    """The smallest of each value."""

    def merge(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the smallest values."""
        return reduce(tf.minimum, tensors)


class Concatenate(NamedLayer):
    """Tensors side by side."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Concatenate, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.axis = config.axis

    @staticmethod
    def shape(config: keras_pb2.Concatenate, inputs: Shape) -> Shape:
        """Returns their common shape, with the sum of their sizes along the axis."""
        arrays = _arrays(inputs)
        rank = len(arrays[0].sizes)
        axis = config.axis + rank if config.axis < 0 else config.axis
        if not 0 < axis < rank:
            raise ShapeFault(f"has axis {config.axis}; with {rank} axes it is 1 to {rank - 1}, or -1 for the last one")
        rests = {array.sizes[:axis] + array.sizes[axis + 1 :] for array in arrays}
        if any(len(array.sizes) != rank for array in arrays) or len(rests) > 1:
            raise ShapeFault(f"joins tensors that differ along axis {axis} alone, but is given {describe(inputs)}")
        sizes = [array.sizes[axis] for array in arrays]
        joined = None if None in sizes else sum(size for size in sizes if size is not None)
        first = arrays[0].sizes
        return Array((*first[:axis], joined, *first[axis + 1 :]))

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of tensors to one."""
        return tf.concat([tf.cast(tensor, call.dtype) for tensor in x], axis=self.axis)


class Dot(NamedLayer):
    """The dot product of two vectors of each row; with `normalize` the cosine of their angle."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Dot, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.is_cosine = config.normalize

    @staticmethod
    def shape(config: keras_pb2.Dot, inputs: Shape) -> Shape:
        """Returns `[batch, 1]`."""
        first, second = require_pair(inputs)
        if first != second:
            raise ShapeFault(f"multiplies two tensors of one width, but is given widths {first} and {second}")
        if config.axes not in (1, -1):
            raise ShapeFault("needs axes: 1 (or -1), the last axis; no other one is offered")
        return vector(1)

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps two `[batch, width]` to `[batch, 1]`."""
        tensors = [tf.cast(tensor, tf.float32) for tensor in x]
        if self.is_cosine:
            tensors = [tf.math.l2_normalize(tensor, axis=1) for tensor in tensors]
        return tf.cast(tf.reduce_sum(tensors[0] * tensors[1], axis=1, keepdims=True), call.dtype)


def _arrays(inputs: Shape) -> list[Array]:
    """Returns the shapes of a list of two or more tensors of numbers.

    Raises:
        ShapeFault: it is something else.
    """
    shapes = require_list(list(inputs) if isinstance(inputs, tuple) else inputs, least=2)
    arrays = [shape for shape in shapes if isinstance(shape, Array) and len(shape.sizes) >= 2]
    if len(arrays) < len(shapes) or any(array.dtype == tf.string for array in arrays):
        raise ShapeFault(f"takes a list of tensors of numbers, but is given {describe(inputs)}")
    return arrays
