"""Dense layers, dropout, and the DNN of the config: dense, batch norm, activation, dropout per layer."""

from collections.abc import Sequence
from dataclasses import replace

import tensorflow as tf

from easymtl.layers.activation import Activation, Dice, PReLU, make_activation, normalize_and_activate
from easymtl.layers.bias import add_bias
from easymtl.layers.context import Build, Call, name_seed, salted
from easymtl.layers.initializers import Initializer, glorot_uniform, zeros
from easymtl.layers.norm import BatchNorm
from easymtl.protos.layer_pb2 import DNN as DNNConfig


class Dense(tf.Module):
    """x W + b. Computes in `call.dtype`, keeps its weights in float32.

    In front of a batch norm the bias has no gradient: it is kept as it is and handed to the norm (see `BatchNorm`).
    """

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        num_outputs: int,
        has_norm: bool = False,
        *,
        has_bias: bool = True,
        initializer: Initializer = glorot_uniform,
        bias_initializer: Initializer = zeros,
        is_regularized: bool = True,
    ):
        """Makes the weights.

        Args:
            build: seed and l2 of the layers.
            name: of the layer; its weights are `<name>/kernel` and `<name>/bias`.
            num_inputs: width of what it reads.
            num_outputs: width of what it makes.
            has_norm: whether a batch norm follows at once.
            has_bias: whether there is b.
            initializer: of W.
            bias_initializer: of b.
            is_regularized: whether `l2_regularization` reaches W.
        """
        super().__init__()
        self.kernel = build.kernel(f"{name}/kernel", num_inputs, num_outputs, initializer, is_regularized)
        self.bias: tf.Variable | None = None
        if has_bias:
            self.bias = build.weight(f"{name}/bias", [num_outputs], bias_initializer, trainable=not has_norm)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., num_inputs]` to `[batch, ..., num_outputs]`."""
        product = self.product(x, call)
        return product if self.bias is None else add_bias(product, self.bias, call)

    def product(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Returns x W, without the bias."""
        kernel = tf.cast(self.kernel, call.dtype)
        if len(x.shape) == 2:
            return tf.matmul(tf.cast(x, call.dtype), kernel)
        # One product of all rows; a product of rank 3 would copy the kernel for each row of the batch.
        flat = tf.matmul(tf.reshape(tf.cast(x, call.dtype), [-1, x.shape[-1]]), kernel)
        return tf.reshape(flat, tf.concat([tf.shape(x)[:-1], [kernel.shape[-1]]], axis=0))


class OutputLayer(Dense):
    """The dense layer that gives the logits of a task, always in float32.

    In bfloat16 a million predictions would share a few hundred values; the layer is too narrow to cost anything.
    """

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to logits `[batch, num_outputs]`."""
        return super().__call__(x, replace(call, dtype=tf.float32))


class Dropout(tf.Module):
    """Drops a share of the values while training and scales up the rest (Srivastava et al. 2014).

    What is dropped is a pure function of the step's seed and the layer's name.
    """

    def __init__(self, name: str, rate: float):
        super().__init__()
        self.rate = rate
        self.salt = name_seed(0, name)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width]`."""
        if not call.training or self.rate == 0.0:
            return x
        # Drawn in float32: bfloat16 has so few numbers below 1 that it would drop a share of its own. The share is the
        # one that goes with the rounded factor, so that the expectation stays exactly that of x.
        factor = tf.cast(1.0 / (1.0 - self.rate), x.dtype)
        uniform = tf.random.stateless_uniform(tf.shape(x), salted(call.seed, self.salt))
        is_kept = uniform >= 1.0 - 1.0 / tf.cast(factor, tf.float32)
        return x * tf.where(is_kept, factor, tf.zeros_like(factor))


class DNN(tf.Module):
    """A stack of dense layers as `DNN` of the config says: dense, batch norm, activation, dropout in each."""

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        config: DNNConfig,
        *,
        first: type[Dense] = Dense,
        is_last_linear: bool = False,
        may_be_empty: bool = False,
    ):
        """Makes the weights `<name>/dnn_<i>/..`.

        Args:
            build: seed and norms of the layers.
            name: of the stack.
            num_inputs: rows of the kernel of the first layer.
            config: of the layers.
            first: the class of the first layer: what it reads is what the stack reads.
            is_last_linear: whether the last layer has neither norm nor activation.
            may_be_empty: whether there can be batches of no rows at all, as of the steps of histories.
        """
        super().__init__()
        self.dense: list[Dense] = []
        self.norms: list[BatchNorm] = []
        self.activations: list[Activation | PReLU | Dice] = []
        self.dropouts: list[Dropout] = []
        self.width = num_inputs
        for index, width in enumerate(config.hidden_units):
            path = f"{name}/dnn_{index}"
            is_linear = is_last_linear and index == len(config.hidden_units) - 1
            has_norm = config.use_bn and not is_linear
            make = Dense if index else first
            self.dense.append(make(build, path, self.width, width, has_norm=has_norm))
            if has_norm:
                self.norms.append(BatchNorm(build, [f"{path}/bn"], width, may_be_empty=may_be_empty))
            text = "linear" if is_linear else config.activation
            self.activations.append(make_activation(build, [path], text, width, may_be_empty))
            self.dropouts.append(Dropout(path, dropout_rate(config, index)))
            self.width = width

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, hidden_units[-1]]`."""
        for index in range(len(self.dense)):
            x = self.layer(index, x, call)
        return x

    def layer(self, index: int, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps the input of the layer at `index`, `[batch, inputs]`, to its output, `[batch, hidden_units[index]]`."""
        dense, activation = self.dense[index], self.activations[index]
        if index < len(self.norms):
            x = normalize_and_activate(self.norms[index], activation, dense.product(x, call), call, dense.bias)
        else:
            x = activation(dense(x, call), call)
        return self.dropouts[index](x, call)


def dropout_rate(config: DNNConfig, index: int) -> float:
    """Returns the dropout rate of the layer at `index`; no entry means no dropout."""
    rates: Sequence[float] = config.dropout_ratio
    return float(rates[index]) if index < len(rates) else 0.0
