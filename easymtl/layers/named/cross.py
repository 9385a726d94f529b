"""The cross layer of DCN V2."""

import tensorflow as tf

from easymtl.layers.activation import make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.initializers import named_initializer
from easymtl.layers.mlp import require_activation, require_initializer
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, require_vector, vector
from easymtl.layers.vectors import require_pair
from easymtl.protos.keras_pb2 import Cross as CrossConfig


class Cross(NamedLayer):
    """x0 ∘ (act(W x + b) + diag_scale x) + x (Wang et al. 2021, equations 1 and 2; W = U V with `projection_dim`).

    It takes the list (x0, x), as a `recurrent` block with `fixed_input_index: 0` hands it on, or one tensor that is
    both.
    """

    def __init__(self, build: Build, name: str, config: CrossConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        width = num_inputs = _width(inputs)
        self.diagonal = config.diag_scale
        initializer = named_initializer(config.kernel_initializer)

        def dense(inputs: int, outputs: int, has_bias: bool) -> Dense:
            path = f"{name}/{build.numbered('dense')}"
            return Dense(build, path, inputs, outputs, has_bias=has_bias, initializer=initializer, is_regularized=False)

        self.projection: Dense | None = None
        if config.projection_dim:
            self.projection = dense(width, config.projection_dim, has_bias=False)
            num_inputs = config.projection_dim
        self.dense = dense(num_inputs, width, has_bias=config.use_bias)
        self.activation = make_block_activation(build, f"{name}/act", config.preactivation, width)

    @staticmethod
    def shape(config: CrossConfig, inputs: Shape) -> Shape:
        """Returns `[batch, width]` of the input."""
        require_activation(config.preactivation, "preactivation")
        require_initializer(config.kernel_initializer, "kernel_initializer")
        if config.HasField("projection_dim") and not config.projection_dim:
            raise ShapeFault("has projection_dim 0; leave it out for a square kernel")
        if not config.diag_scale >= 0:
            raise ShapeFault(f"has diag_scale {config.diag_scale:g}, which must not be below 0")
        return vector(_width(inputs))

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of two `[batch, width]`, or one, to `[batch, width]`."""
        first, last = x if isinstance(x, list | tuple) else (x, x)
        first, last = tf.cast(first, call.dtype), tf.cast(last, call.dtype)
        inner = last if self.projection is None else self.projection(last, call)
        inner = self.activation(self.dense(inner, call), call)
        if self.diagonal:
            inner += tf.cast(self.diagonal, call.dtype) * last
        return first * inner + last


def _width(inputs: Shape) -> int:
    if not isinstance(inputs, list | tuple):
        return require_vector(inputs)
    first, last = require_pair(inputs)
    if first != last:
        raise ShapeFault(f"multiplies two tensors of one width, but is given widths {first} and {last}")
    return first
