"""Keras' own activations, as layers."""

import tensorflow as tf

from easymtl.config.names import BLOCK_ACTIVATIONS, activation_name
from easymtl.errors import did_you_mean, quoted
from easymtl.layers.activation import make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import OverVectors
from easymtl.layers.shapes import History, Shape, ShapeFault, fixed_sizes
from easymtl.layers.vectors import vector_width
from easymtl.protos import keras_pb2

_ACTIVATIONS = tuple(name for name in BLOCK_ACTIVATIONS if name not in ("prelu", "dice"))


class KerasActivation(OverVectors):
    """An activation without weights."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Activation, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.activation = PlainActivation(config.activation)

    @staticmethod
    def shape(config: keras_pb2.Activation, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        if not config.activation:
            raise ShapeFault('needs activation, for example activation: "relu"')
        require_plain_activation(config.activation)
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return self.activation(x)


class ReLU(OverVectors):
    """min(x, max_value) from the threshold on, negative_slope (x - threshold) below it."""

    def __init__(self, build: Build, name: str, config: keras_pb2.ReLU, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.slope, self.threshold = config.negative_slope, config.threshold
        self.largest = config.max_value if config.HasField("max_value") else None

    @staticmethod
    def shape(config: keras_pb2.ReLU, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        for field in ("max_value", "negative_slope", "threshold"):
            if not getattr(config, field) >= 0:
                raise ShapeFault(f"has {field} {getattr(config, field):g}, which must not be below 0")
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        above = x if self.largest is None else tf.minimum(x, tf.cast(self.largest, x.dtype))
        return tf.where(x >= self.threshold, above, self.slope * (x - self.threshold))


class LeakyReLU(OverVectors):
    """x above 0, alpha x below."""

    def __init__(self, build: Build, name: str, config: keras_pb2.LeakyReLU, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.slope = config.alpha

    @staticmethod
    def shape(config: keras_pb2.LeakyReLU, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        if not config.alpha >= 0:
            raise ShapeFault(f"has alpha {config.alpha:g}, which must not be below 0")
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return tf.nn.leaky_relu(x, self.slope)


class ELU(OverVectors):
    """x above 0, alpha (exp(x) - 1) below."""

    def __init__(self, build: Build, name: str, config: keras_pb2.ELU, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.alpha = config.alpha

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return tf.where(x > 0, x, self.alpha * tf.nn.elu(x))


class KerasPReLU(OverVectors):
    """x above 0, a x below, with a slope a for each value of a row that starts at 0."""

    def __init__(self, build: Build, name: str, config: keras_pb2.NoParameters, inputs: Shape):
        super().__init__(build, name, config, inputs)
        sizes = [inputs.width] if isinstance(inputs, History) else fixed_sizes(inputs)
        self.slope = build.variable([f"{name}/alpha"], tf.zeros(sizes))

    @staticmethod
    def shape(config: keras_pb2.NoParameters, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        if not isinstance(inputs, History):
            fixed_sizes(inputs)
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return tf.nn.relu(x) - tf.cast(self.slope, x.dtype) * tf.nn.relu(-x)


class Softmax(OverVectors):
    """Softmax over the last axis, computed in float32."""

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return PlainActivation("softmax")(x)


class PlainActivation(tf.Module):
    """An activation of Keras: that of the table, but for `gelu`, which is the exact one here."""

    def __init__(self, text: str):
        super().__init__()
        self.plain = activation_name(text)
        self.activation = make_block_activation(Build(), "", self.plain, 0)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Maps a tensor of any shape."""
        if self.plain == "gelu":
            return tf.nn.gelu(x, approximate=False)
        return self.activation(x, Call())


def require_plain_activation(text: str) -> None:
    """Checks the name of an activation without weights; an empty one is linear.

    Raises:
        ShapeFault: there is none of this name.
    """
    plain = activation_name(text)
    if plain not in _ACTIVATIONS:
        hint = did_you_mean(plain, _ACTIVATIONS)
        raise ShapeFault(f'has activation "{text}", which is none of {quoted(_ACTIVATIONS)}.{hint}')
