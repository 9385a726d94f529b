"""Keras' own layers that give rows another shape: Flatten, Reshape and pooling."""

import math

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, describe, fixed_sizes, vector
from easymtl.layers.steps import Steps
from easymtl.protos import keras_pb2


class Flatten(NamedLayer):
    """All values of a row side by side."""

    def __init__(self, build: Build, name: str, config: keras_pb2.NoParameters, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.width = math.prod(fixed_sizes(inputs))

    @staticmethod
    def shape(config: keras_pb2.NoParameters, inputs: Shape) -> Shape:
        """Returns `[batch, width]`."""
        return Array((None, math.prod(fixed_sizes(inputs))), _dtype(inputs))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ...]` to `[batch, width]`."""
        return tf.reshape(x, [-1, self.width])


class Reshape(NamedLayer):
    """The values of a row in another shape."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Reshape, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.sizes = _target(config, inputs)

    @staticmethod
    def shape(config: keras_pb2.Reshape, inputs: Shape) -> Shape:
        """Returns `[batch, *target_shape]`."""
        return Array((None, *_target(config, inputs)), _dtype(inputs))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ...]` to `[batch, *target_shape]`."""
        return tf.reshape(x, [-1, *self.sizes])


class _Pooling(NamedLayer):
    """A vector of each row for its fields or steps."""

    @staticmethod
    def shape(config: keras_pb2.NoParameters, inputs: Shape) -> Shape:
        """Returns `[batch, width]`."""
        if isinstance(inputs, History):
            return vector(inputs.width)
        if isinstance(inputs, Array) and len(inputs.sizes) == 3 and inputs.dtype != tf.string:
            return vector(inputs.width)
        raise ShapeFault(f"takes [batch, fields, width] or a history, but is given {describe(inputs)}")


class GlobalAveragePooling1D(_Pooling):
    """The mean over fields, or over the steps that a row has; 0 for rows without steps."""

    def __call__(self, x: tf.Tensor | Steps, call: Call) -> tf.Tensor:
        """Maps `[batch, fields, width]` or a history to `[batch, width]`."""
        return x.mean() if isinstance(x, Steps) else tf.reduce_mean(x, axis=1)


class GlobalMaxPooling1D(_Pooling):
    """The largest of each component over fields, or over the steps that a row has; 0 for rows without steps."""

    def __call__(self, x: tf.Tensor | Steps, call: Call) -> tf.Tensor:
        """Maps `[batch, fields, width]` or a history to `[batch, width]`."""
        if not isinstance(x, Steps):
            return tf.reduce_max(x, axis=1)
        rectangle = x.rectangle()
        nothing = tf.constant(x.flat.dtype.min, x.flat.dtype)
        largest = tf.reduce_max(tf.where(rectangle.mask()[:, :, tf.newaxis], rectangle.values, nothing), axis=1)
        return tf.where(x.lengths[:, tf.newaxis] > 0, largest, tf.zeros_like(largest))


def _dtype(inputs: Shape) -> tf.DType:
    assert isinstance(inputs, Array)
    return inputs.dtype


def _target(config: keras_pb2.Reshape, inputs: Shape) -> list[int]:
    """Returns the sizes behind the batch, with what -1 stands for.

    Raises:
        ShapeFault: they do not hold what a row has.
    """
    total, sizes = math.prod(fixed_sizes(inputs)), list(config.target_shape)
    known = math.prod(size for size in sizes if size != -1)
    if not sizes or known <= 0 or sizes.count(-1) > 1 or min(sizes) < -1:
        raise ShapeFault(f"needs target_shape, sizes above 0 of which one may be -1, but is given {sizes}")
    if total % known or (-1 not in sizes and known != total):
        raise ShapeFault(f"cannot give {total} values of a row ({describe(inputs)}) the target_shape {sizes}")
    return [total // known if size == -1 else size for size in sizes]
