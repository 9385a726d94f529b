"""Experts and the gates that mix them (Ma et al. 2018, MMoE, equations 6 and 7)."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.activation import make_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense, Dropout, dropout_rate
from easymtl.layers.norm import BatchNorm
from easymtl.protos.layer_pb2 import DNN as DNNConfig


class Experts(tf.Module):
    """Experts of one input: `[batch, num_inputs]` to `[batch, num_expert, width]`.

    Experts of equal shape are computed together, others one by one. Every expert has initial values of its own.
    """

    def __init__(self, build: Build, name: str, num_inputs: int, configs: Sequence[DNNConfig]):
        super().__init__()
        names = [f"{name}/expert_{index}" for index in range(len(configs))]
        self.stack: StackedDNN | None = None
        self.single: list[DNN] = []
        if all(config == configs[0] for config in configs):
            self.stack = StackedDNN(build, names, num_inputs, configs[0])
            self.width = self.stack.width
        else:
            self.single = [DNN(build, name, num_inputs, config) for name, config in zip(names, configs)]
            self.width = self.single[0].width

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, num_expert, width]`."""
        if self.stack:
            return self.stack(x, call)
        return tf.stack([expert(x, call) for expert in self.single], axis=1)


class StackedDNN(tf.Module):
    """Several DNNs of one shape over the same input, as few wide products.

    The first layer is one product of `[batch, num_inputs]` with all kernels side by side; the next ones are one
    batched product each. Norm, activation and dropout run over `[batch, num_stack * width]` at once, which is what
    they would do for each DNN alone. Kernels are `[num_stack, inputs, outputs]`, vectors `[num_stack * outputs]`.
    """

    def __init__(self, build: Build, names: Sequence[str], num_inputs: int, config: DNNConfig):
        super().__init__()
        self.num_stack = len(names)
        self.kernels: list[tf.Variable] = []
        self.biases: list[tf.Variable] = []
        self.norms: list[BatchNorm] = []
        self.activations: list[tf.Module] = []
        self.dropouts: list[Dropout] = []
        self.width = num_inputs
        for index, width in enumerate(config.hidden_units):
            paths = [f"{name}/dnn_{index}" for name in names]
            columns = self.num_stack * width
            self.kernels.append(build.stacked_kernel([f"{path}/kernel" for path in paths], self.width, width))
            self.biases.append(
                build.variable([f"{path}/bias" for path in paths], tf.zeros([columns]), trainable=not config.use_bn)
            )
            if config.use_bn:
                self.norms.append(BatchNorm(build, [f"{path}/bn" for path in paths], columns))
            self.activations.append(make_activation(build, paths, config.activation, columns))
            self.dropouts.append(Dropout(paths[0], dropout_rate(config, index)))
            self.width = width

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, num_stack, width]`."""
        x = tf.cast(x, call.dtype)
        for index, kernel in enumerate(self.kernels):
            x = self._product(x, tf.cast(kernel, call.dtype), is_first=index == 0)
            if self.norms:
                x = self.norms[index](x, call, self.biases[index])
            else:
                x = tf.nn.bias_add(x, tf.cast(self.biases[index], call.dtype))
            x = self.activations[index](x, call)
            x = self.dropouts[index](x, call)
        return tf.reshape(x, [-1, self.num_stack, self.width])

    def _product(self, x: tf.Tensor, kernel: tf.Tensor, is_first: bool) -> tf.Tensor:
        num_stack, num_inputs, num_outputs = kernel.shape
        if is_first:
            wide = tf.reshape(tf.transpose(kernel, [1, 0, 2]), [num_inputs, num_stack * num_outputs])
            return tf.matmul(x, wide)
        each = tf.transpose(tf.reshape(x, [-1, num_stack, num_inputs]), [1, 0, 2])
        product = tf.transpose(tf.matmul(each, kernel), [1, 0, 2])
        return tf.reshape(product, [-1, num_stack * num_outputs])


class Gate(tf.Module):
    """softmax(dense(hidden(x))): the weights of the experts for one task, `[batch, num_expert]`, in float32."""

    def __init__(self, build: Build, name: str, num_inputs: int, num_expert: int, hidden: DNNConfig | None = None):
        super().__init__()
        self.hidden = DNN(build, f"{name}/hidden", num_inputs, hidden) if hidden else None
        width = self.hidden.width if self.hidden else num_inputs
        self.dense = Dense(build, f"{name}/dnn", width, num_expert)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to weights `[batch, num_expert]` that sum to 1."""
        if self.hidden:
            x = self.hidden(x, call)
        return tf.nn.softmax(tf.cast(self.dense(x, call), tf.float32))


def mix(weights: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
    """Returns the weighted sum of the experts: weights `[batch, num_expert]`, experts `[batch, num_expert, width]`.

    The result `[batch, width]` has the precision of the experts.
    """
    weights = tf.cast(weights, experts.dtype)
    return tf.squeeze(tf.matmul(weights[:, tf.newaxis, :], experts), axis=1)
