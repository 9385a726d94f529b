"""The MLP of block graphs: dense layers whose last one may differ from the others."""

import tensorflow as tf

from easymtl.config.names import BLOCK_ACTIVATIONS, INITIALIZERS, activation_name, initializer_name
from easymtl.errors import did_you_mean, quoted
from easymtl.layers.activation import Activation, Dice, PReLU, make_block_activation, normalize_and_activate
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import named_initializer
from easymtl.layers.norm import BatchNorm
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.layer_pb2 import MLP as MLPConfig


class MLP(tf.Module):
    """A stack of dense layers as `MLP` of the config says: dense, batch norm, activation, dropout in each.

    With `use_bn_after_activation` the norm comes behind the activation. The last layer has flags of its own
    (`use_final_bn`, `final_activation`, `use_final_bias`). `l2_regularization` reaches all kernels.
    """

    def __init__(self, build: Build, name: str, num_inputs: int, config: MLPConfig, may_be_empty: bool = False):
        """Makes the weights `<name>/layer_<i>/{dense,bn,act}/..`.

        Args:
            build: seed and norms of the layers.
            name: of the stack.
            num_inputs: width of what it reads.
            config: `mlp_width` has accepted it.
            may_be_empty: whether there can be batches of no rows at all, as of the steps of histories.
        """
        super().__init__()
        self.layers: list[_Layer] = []
        self.width = num_inputs
        for index, width in enumerate(config.hidden_units):
            self.layers.append(_Layer(build, f"{name}/layer_{index}", self.width, config, index, may_be_empty))
            self.width = width

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., num_inputs]` to `[batch, ..., hidden_units[-1]]`."""
        for layer in self.layers:
            x = layer(x, call)
        return x


class _Layer(tf.Module):
    """One layer of an MLP."""

    def __init__(self, build: Build, path: str, num_inputs: int, config: MLPConfig, index: int, may_be_empty: bool):
        super().__init__()
        width = config.hidden_units[index]
        is_last = index == len(config.hidden_units) - 1
        has_norm = config.use_final_bn if is_last else config.use_bn
        self.is_norm_last = config.use_bn_after_activation
        self.dense = Dense(
            build,
            f"{path}/dense",
            num_inputs,
            width,
            has_norm=has_norm and not self.is_norm_last,
            has_bias=config.use_final_bias if is_last else config.use_bias,
            initializer=named_initializer(config.initializer),
        )
        self.norm: BatchNorm | None = None
        if has_norm:
            self.norm = BatchNorm(build, [f"{path}/bn"], width, may_be_empty=may_be_empty)
        text = config.final_activation if is_last else config.activation
        self.activation: Activation | PReLU | Dice = make_block_activation(
            build, f"{path}/act", text, width, may_be_empty
        )
        self.dropout = Dropout(path, config.dropout_ratio[index] if index < len(config.dropout_ratio) else 0.0)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., num_inputs]` to `[batch, ..., width]`."""
        if self.norm is None:
            x = self.activation(self.dense(x, call), call)
        elif self.is_norm_last:
            x = self.norm(self.activation(self.dense(x, call), call), call)
        else:
            product = self.dense.product(x, call)
            x = normalize_and_activate(self.norm, self.activation, product, call, self.dense.bias)
        return self.dropout(x, call)


def mlp_width(config: MLPConfig, field: str = "") -> int:
    """Returns the width of the last layer.

    Args:
        config: of an MLP.
        field: where the config stands in that of its layer, such as `expert_mlp`; empty for a block of its own.

    Raises:
        ShapeFault: the config cannot be built.
    """
    prefix = f"{field}." if field else ""
    if not config.hidden_units:
        raise ShapeFault(f"needs {prefix}hidden_units, for example hidden_units: [128, 64]")
    if min(config.hidden_units) == 0:
        raise ShapeFault(f"has a layer of width 0 in {prefix}hidden_units; leave it out")
    layers, ratios = len(config.hidden_units), len(config.dropout_ratio)
    if ratios > layers:
        raise ShapeFault(f"has {ratios} values of {prefix}dropout_ratio for {layers} hidden_units")
    for ratio in config.dropout_ratio:
        require_rate(ratio, f"{prefix}dropout_ratio")
    require_activation(config.activation, f"{prefix}activation")
    require_activation(config.final_activation, f"{prefix}final_activation")
    require_initializer(config.initializer, f"{prefix}initializer")
    if field and config.add_to_outputs:
        raise ShapeFault(f"sets {prefix}add_to_outputs, which only a block that is an MLP itself can be; leave it out")
    return config.hidden_units[-1]


def require_activation(text: str, field: str) -> None:
    """Checks the name of an activation.

    Raises:
        ShapeFault: there is none of this name.
    """
    plain = activation_name(text)
    if plain not in BLOCK_ACTIVATIONS:
        hint = did_you_mean(plain, BLOCK_ACTIVATIONS)
        raise ShapeFault(f'has {field} "{text}", which is none of {quoted(BLOCK_ACTIVATIONS)}.{hint}')


def require_initializer(text: str, field: str) -> None:
    """Checks the name of an initializer.

    Raises:
        ShapeFault: there is none of this name.
    """
    if initializer_name(text) not in INITIALIZERS:
        hint = did_you_mean(initializer_name(text), INITIALIZERS)
        raise ShapeFault(f'has {field} "{text}", which is none of {quoted(INITIALIZERS)}.{hint}')


def require_rate(rate: float, field: str) -> None:
    """Checks the share of values that is dropped.

    Raises:
        ShapeFault: it does not lie in `[0, 1)`.
    """
    if not 0 <= rate < 1:
        raise ShapeFault(f"has {field} {rate:g}, outside of [0, 1)")
