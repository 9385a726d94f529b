"""Experts and the gates that mix them (Ma et al. 2018, MMoE, equations 6 and 7)."""

from collections.abc import Sequence
from itertools import groupby

import tensorflow as tf

from easymtl.layers.activation import Activation, Dice, PReLU, make_activation, normalize_and_activate
from easymtl.layers.bias import add_bias
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense, Dropout, dropout_rate
from easymtl.layers.gate_weights import GateNames, numbered_experts
from easymtl.layers.norm import BatchNorm
from easymtl.protos.layer_pb2 import DNN as DNNConfig

_WIDTH_ALONE = 128
"""Layers of at least this width are trained one by one: each is large enough for a product and a norm of its own."""
_COLUMNS_APART = 4096
"""If they have so many columns together: a batch of fewer stays in the cache all the same, in fewer operations."""


class Experts(tf.Module):
    """Experts of one input: `[batch, num_inputs]` to `[batch, num_expert, width]`.

    Neighbours of equal shape are computed together. Every expert has initial values of its own, which depend on its
    name and not on what it is computed with.
    """

    def __init__(self, build: Build, names: Sequence[str], num_inputs: int, configs: Sequence[DNNConfig]):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            names: of the experts.
            num_inputs: width of the input.
            configs: layers of each expert; the last ones have the same width.
        """
        super().__init__()
        self.stacks: list[StackedDNN] = []
        experts = zip(names, configs, strict=True)
        for _, run in groupby(experts, key=lambda expert: expert[1].SerializeToString(deterministic=True)):
            stack_names, stack_configs = zip(*run)
            self.stacks.append(StackedDNN(build, stack_names, num_inputs, stack_configs[0]))
        self.width = self.stacks[0].width

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, num_expert, width]`."""
        outputs = [stack(x, call) for stack in self.stacks]
        return tf.concat(outputs, axis=1) if len(outputs) > 1 else outputs[0]


class StackedDNN(tf.Module):
    """Several DNNs of one shape, as few wide products, or one by one where they are wide themselves.

    Over one input for all, the first layer is one product of `[batch, num_inputs]` with all kernels side by side; over
    an input for each, and in the next layers, it is one batched product. Norm, activation and dropout run over
    `[batch, num_stack * width]` at once, which is what they would do for each DNN alone. Kernels are
    `[num_stack, inputs, outputs]`, vectors `[num_stack * outputs]`.

    In training, DNNs with norms whose layers are all wide, and so many that a batch of them exceeds the cache, take
    turns instead: what a product has made is still in the
    cache when its norm and its ReLU read it, and nothing has to be transposed between the layers. A dropout draws for
    all of them at once, and PReLU and Dice have weights for all columns: those stay side by side.
    """

    def __init__(self, build: Build, names: Sequence[str], num_inputs: int, config: DNNConfig):
        super().__init__()
        self.num_stack = len(names)
        self.kernels: list[tf.Variable] = []
        self.biases: list[tf.Variable] = []
        self.norms: list[BatchNorm] = []
        self.activations: list[Activation | PReLU | Dice] = []
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
        """Maps `[batch, num_inputs]`, or `[batch, num_stack, num_inputs]`, to `[batch, num_stack, width]`."""
        x = tf.cast(x, call.dtype)
        is_shared = x.shape.rank == 2
        if self._takes_turns(call):
            inputs = [x] * self.num_stack if is_shared else tf.unstack(x, axis=1)
            return tf.stack(self._one_by_one(inputs, call), axis=1)
        for index, kernel in enumerate(self.kernels):
            x = self._product(x, tf.cast(kernel, call.dtype), is_shared=is_shared and index == 0)
            bias, activation = self.biases[index], self.activations[index]
            if self.norms:
                x = normalize_and_activate(self.norms[index], activation, x, call, bias)
            else:
                x = activation(add_bias(x, bias, call), call)
            x = self.dropouts[index](x, call)
        return tf.reshape(x, [-1, self.num_stack, self.width])

    def _takes_turns(self, call: Call) -> bool:
        widths = [kernel.shape[-1] for kernel in self.kernels]
        return (
            bool(self.norms)
            and min(widths) >= _WIDTH_ALONE
            and self.num_stack * max(widths) >= _COLUMNS_APART
            and all(norm.takes_parts(call, width) for norm, width in zip(self.norms, widths))
            and all(isinstance(activation, Activation) for activation in self.activations)
            and not any(dropout.rate for dropout in self.dropouts)
        )

    def _one_by_one(self, inputs: Sequence[tf.Tensor], call: Call) -> list[tf.Tensor]:
        """Maps an input `[batch, num_inputs]` for each DNN to its output `[batch, width]`."""
        outputs = list(inputs)
        for kernel, bias, norm, activation in zip(self.kernels, self.biases, self.norms, self.activations):
            kernels = tf.unstack(tf.cast(kernel, call.dtype))
            products = [tf.matmul(x, one) for x, one in zip(outputs, kernels, strict=True)]
            outputs = norm.parts(products, call, bias, activation.function)
        return outputs

    def _product(self, x: tf.Tensor, kernel: tf.Tensor, is_shared: bool) -> tf.Tensor:
        num_stack, num_inputs, num_outputs = kernel.shape
        if is_shared:
            wide = tf.reshape(tf.transpose(kernel, [1, 0, 2]), [num_inputs, num_stack * num_outputs])
            return tf.matmul(x, wide)
        each = tf.transpose(tf.reshape(x, [-1, num_stack, num_inputs]), [1, 0, 2])
        product = tf.transpose(tf.matmul(each, kernel), [1, 0, 2])
        return tf.reshape(product, [-1, num_stack * num_outputs])


class Gate(tf.Module):
    """softmax(dense(hidden(x))): the weights of the experts for one task, `[batch, num_expert]`, in float32."""

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        num_expert: int,
        hidden: DNNConfig | None = None,
        told_as: GateNames | None = None,
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            name: of the layers.
            num_inputs: width of what the gate reads.
            num_expert: number of experts.
            hidden: hidden layers.
            told_as: what people are told; default: its name, and `expert_0`, `expert_1`, ...
        """
        super().__init__()
        self.told_as = told_as or GateNames(name, numbered_experts(num_expert))
        self.hidden = DNN(build, f"{name}/hidden", num_inputs, hidden) if hidden else None
        width = self.hidden.width if self.hidden else num_inputs
        self.dense = Dense(build, f"{name}/dnn", width, num_expert)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to weights `[batch, num_expert]` that sum to 1."""
        if self.hidden:
            x = self.hidden(x, call)
        weights = tf.nn.softmax(tf.cast(self.dense(x, call), tf.float32))
        call.add_gate(*self.told_as, weights)
        return weights


def mix_all(weights: Sequence[tf.Tensor], experts: tf.Tensor) -> list[tf.Tensor]:
    """Returns several weighted sums of the same experts `[batch, num_expert, width]`, as one product.

    Each of the weights `[batch, num_expert]` gives a mixture `[batch, width]`. The experts are read once, not once for
    each mixture, which is what mixing costs.
    """
    together = tf.cast(tf.stack(weights, axis=1), experts.dtype)
    return tf.unstack(tf.matmul(together, experts), num=len(weights), axis=1)


def mix(weights: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
    """Returns the weighted sum of the experts: weights `[batch, num_expert]`, experts `[batch, num_expert, width]`.

    The result `[batch, width]` has the precision of the experts.
    """
    weights = tf.cast(weights, experts.dtype)
    return tf.squeeze(tf.matmul(weights[:, tf.newaxis, :], experts), axis=1)
