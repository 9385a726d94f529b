"""Keras' own layers over the last axis: Dense, dropout, noise and norms.

They are ours, with the weights' names, defaults and formulas of those of Keras 2, which EasyRec calls by
`tf.keras.layers.<name>`.
"""

import tensorflow as tf

from easymtl.layers.context import Build, Call, name_seed, salted
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import named_initializer
from easymtl.layers.mlp import require_initializer, require_rate
from easymtl.layers.named.base import OverVectors
from easymtl.layers.named.keras_activations import PlainActivation, require_plain_activation
from easymtl.layers.norm import BatchNorm, LayerNorm
from easymtl.layers.shapes import Array, History, Shape, ShapeFault
from easymtl.layers.vectors import vector_width, with_width
from easymtl.protos import keras_pb2


class KerasDense(OverVectors):
    """act(x W + b)."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Dense, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.dense = Dense(
            build,
            name,
            vector_width(inputs),
            config.units,
            has_bias=config.use_bias,
            initializer=named_initializer(config.kernel_initializer),
            bias_initializer=named_initializer(config.bias_initializer),
            is_regularized=False,
        )
        self.activation = PlainActivation(config.activation)

    @staticmethod
    def shape(config: keras_pb2.Dense, inputs: Shape) -> Shape:
        """Returns the shape of the input with the width `units`."""
        vector_width(inputs)
        if not config.units:
            raise ShapeFault("needs units, the width of its result, for example units: 64")
        require_plain_activation(config.activation)
        require_initializer(config.kernel_initializer, "kernel_initializer")
        require_initializer(config.bias_initializer, "bias_initializer")
        if config.HasField("bias_initializer") and not config.use_bias:
            raise ShapeFault("has bias_initializer, but use_bias is false; leave one of them out")
        return with_width(inputs, config.units)

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]` to `[batch, ..., units]`."""
        return self.activation(self.dense(x, call))


class KerasDropout(OverVectors):
    """Drops a share of the values while training, as `layers.dense.Dropout`."""

    def __init__(self, build: Build, name: str, config: keras_pb2.Dropout, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.dropout = Dropout(name, config.rate)

    @staticmethod
    def shape(config: keras_pb2.Dropout, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        if not config.HasField("rate"):
            raise ShapeFault("needs rate, the share of the values that it drops, for example rate: 0.2")
        require_rate(config.rate, "rate")
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return self.dropout(x, call)


class GaussianNoise(OverVectors):
    """Adds normal noise while training: a pure function of the step's seed and the layer's name."""

    def __init__(self, build: Build, name: str, config: keras_pb2.GaussianNoise, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.deviation, self.salt = config.stddev, name_seed(0, name)

    @staticmethod
    def shape(config: keras_pb2.GaussianNoise, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        if not config.HasField("stddev") or not config.stddev >= 0:
            raise ShapeFault("needs stddev of 0 or more, the spread of the noise, for example stddev: 0.1")
        return inputs

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        if not call.training:
            return x
        noise = tf.random.stateless_normal(tf.shape(x), salted(call.seed, self.salt), stddev=self.deviation)
        return x + tf.cast(noise, x.dtype)


class LayerNormalization(OverVectors):
    """`layers.norm.LayerNorm` over the last axis."""

    def __init__(self, build: Build, name: str, config: keras_pb2.LayerNormalization, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.norm = LayerNorm(build, name, vector_width(inputs), config.epsilon, config.scale, config.center)

    @staticmethod
    def shape(config: keras_pb2.LayerNormalization, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        return _shape_of_norm(config, inputs)

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return self.norm(x, call)


class BatchNormalization(OverVectors):
    """`layers.norm.BatchNorm` over all axes but the last; of histories over the steps that exist."""

    def __init__(self, build: Build, name: str, config: keras_pb2.BatchNormalization, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.norm = BatchNorm(
            build,
            [name],
            vector_width(inputs),
            affine=config.scale,
            may_be_empty=isinstance(inputs, History),
            momentum=config.momentum,
            epsilon=config.epsilon,
        )

    @staticmethod
    def shape(config: keras_pb2.BatchNormalization, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        if config.scale != config.center:
            raise ShapeFault("trains scale and center together; set both to false, or none")
        if not 0 < config.momentum < 1:
            raise ShapeFault(f"has momentum {config.momentum:g}, outside of (0, 1)")
        return _shape_of_norm(config, inputs)

    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""
        return self.norm(x, call)


def _shape_of_norm(config: keras_pb2.LayerNormalization | keras_pb2.BatchNormalization, inputs: Shape) -> Shape:
    vector_width(inputs)
    last = len(inputs.sizes) - 1 if isinstance(inputs, Array) else 2
    if config.axis not in (-1, last):
        raise ShapeFault(f"has axis {config.axis}; only the last one, -1, is offered")
    if not config.epsilon > 0:
        raise ShapeFault(f"has epsilon {config.epsilon:g}, which must be above 0")
    return inputs
