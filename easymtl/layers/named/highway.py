"""Highway layers."""

import tensorflow as tf

from easymtl.layers.activation import make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import constant
from easymtl.layers.mlp import require_activation, require_rate
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, require_vector, vector
from easymtl.protos.backbone_pb2 import HighWayTower


class Highway(NamedLayer):
    """x = T H(x) + (1 - T) x with T = sigmoid(W x + b), several times (Srivastava et al. 2015, equation 3).

    H is a dense layer with activation and dropout. An input whose width is not `emb_size` passes a dense layer first.
    The bias of T starts at `init_gate_bias`, below 0, so that a new layer hands on most of its input.
    """

    def __init__(self, build: Build, name: str, config: HighWayTower, inputs: Shape):
        super().__init__(build, name, config, inputs)
        num_inputs, width = require_vector(inputs), _width(config, inputs)
        self.projection: Dense | None = None
        if num_inputs != width:
            self.projection = Dense(build, f"{name}/input_projection", num_inputs, width, is_regularized=False)
        self.steps = [_Highway(build, name, index, width, config) for index in range(config.num_layers)]

    @staticmethod
    def shape(config: HighWayTower, inputs: Shape) -> Shape:
        """Returns `[batch, emb_size]`, or the width of the input where there is no emb_size."""
        require_activation(config.activation, "activation")
        require_rate(config.dropout_rate, "dropout_rate")
        if not config.num_layers:
            raise ShapeFault("has num_layers 0, which does nothing; leave the block out")
        return vector(_width(config, inputs))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, emb_size]`."""
        x = tf.cast(x, call.dtype) if self.projection is None else self.projection(x, call)
        for step in self.steps:
            x = step(x, call)
        return x


class _Highway(tf.Module):
    """One layer."""

    def __init__(self, build: Build, name: str, index: int, width: int, config: HighWayTower):
        super().__init__()
        path = f"{name}/gate_{index}"
        bias = constant(config.init_gate_bias)
        self.gate = Dense(build, path, width, width, bias_initializer=bias, is_regularized=False)
        self.dense = Dense(build, f"{name}/{build.numbered('dense')}", width, width, is_regularized=False)
        self.activation = make_block_activation(build, f"{name}/act_{index}", config.activation, width)
        self.dropout = Dropout(f"{name}/dropout_{index}", config.dropout_rate)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        share = tf.nn.sigmoid(self.gate(x, call))
        changed = self.dropout(self.activation(self.dense(x, call), call), call)
        return share * changed + (1 - share) * x


def _width(config: HighWayTower, inputs: Shape) -> int:
    return config.emb_size or require_vector(inputs)
