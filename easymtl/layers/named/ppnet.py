"""PPNet: an MLP whose layers are scaled by gates that read other features."""

import tensorflow as tf

from easymtl.layers.activation import make_block_activation, normalize_and_activate
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import he_uniform
from easymtl.layers.mlp import MLP, mlp_width, require_activation, require_rate
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.norm import BatchNorm
from easymtl.layers.shapes import Shape, ShapeFault, require_choice, vector
from easymtl.layers.vectors import require_pair
from easymtl.protos.backbone_pb2 import GateNN
from easymtl.protos.backbone_pb2 import PPNet as PPNetConfig

_MODES = ("eager", "lazy")


class PPNet(NamedLayer):
    """h ∘ gate(g) for the layers h of an MLP over x (Chang et al. 2023, PEPNet, equations 6 and 7).

    It takes the list (x, p); the gates read g = [stop_gradient(x), p], or p alone without `full_gate_input`.
    `mode: "eager"` scales the input of each layer, `lazy` the output.
    """

    def __init__(self, build: Build, name: str, config: PPNetConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        num_inputs, num_gate = require_pair(inputs)
        self.reads_all, self.is_eager = config.full_gate_input, config.mode == "eager"
        num_gate += num_inputs if self.reads_all else 0
        self.gates: list[_Gate] = []
        if self.is_eager:
            self.gates.append(_Gate(build, f"{name}/gate_0", num_gate, num_inputs, config.gate_params))
        self.mlp = MLP(build, name, num_inputs, config.mlp)
        for index, width in enumerate(config.mlp.hidden_units):
            is_gated = not self.is_eager or index + 1 < len(config.mlp.hidden_units)
            if is_gated:
                self.gates.append(_Gate(build, f"{name}/gate_{index + 1}", num_gate, width, config.gate_params))

    @staticmethod
    def shape(config: PPNetConfig, inputs: Shape) -> Shape:
        """Returns `[batch, last of hidden_units]`."""
        width, _ = require_pair(inputs)
        require_choice(config.mode, "mode", _MODES)
        gate = config.gate_params
        require_activation(gate.activation, "gate_params.activation")
        require_rate(gate.dropout_rate, "gate_params.dropout_rate")
        # EasyRec needs it with "eager", for the gate of the input, and reads it nowhere else.
        if gate.HasField("output_dim") and config.mode == "eager" and gate.output_dim != width:
            text = f"has gate_params.output_dim {gate.output_dim}, but the gate scales its input of width {width}"
            raise ShapeFault(f"{text}; leave it out")
        return vector(mlp_width(config.mlp, "mlp"))

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]` and `[batch, gate width]` to `[batch, last of hidden_units]`."""
        hidden, read = (tf.cast(one, call.dtype) for one in x)
        if self.reads_all:
            read = tf.concat([tf.stop_gradient(hidden), read], axis=1)
        factors = [gate(read, call) for gate in self.gates]
        if self.is_eager:
            hidden *= factors.pop(0)
        for index, layer in enumerate(self.mlp.layers):
            hidden = layer(hidden, call)
            if index < len(factors):
                hidden *= factors[index]
        return hidden


class _Gate(tf.Module):
    """2 sigmoid(W' act(W g)) (Chang et al. 2023, equation 1); with batch norm there are no biases."""

    def __init__(self, build: Build, name: str, num_inputs: int, width: int, config: GateNN):
        super().__init__()
        size, has_bias = config.hidden_dim or width, not config.use_bn

        def dense(path: str, inputs: int, outputs: int) -> Dense:
            return Dense(build, path, inputs, outputs, has_bias=has_bias, initializer=he_uniform, is_regularized=False)

        self.hidden = dense(f"{name}/{build.numbered('dense')}", num_inputs, size)
        self.norm = BatchNorm(build, [f"{name}/bn"], size) if config.use_bn else None
        self.activation = make_block_activation(build, f"{name}/act", config.activation, size)
        self.dropout = Dropout(f"{name}/dropout", config.dropout_rate)
        self.weight = dense(f"{name}/weight", size, width)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        hidden = self.hidden(x, call)
        if self.norm is None:
            hidden = self.activation(hidden, call)
        else:
            hidden = normalize_and_activate(self.norm, self.activation, hidden, call, None)
        return 2 * tf.nn.sigmoid(self.weight(self.dropout(hidden, call), call))
