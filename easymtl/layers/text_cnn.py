"""Convolutions over the steps of a history, each followed by its maximum (Kim 2014, TextCNN)."""

import tensorflow as tf

from easymtl.layers.activation import make_block_activation
from easymtl.layers.bias import add_bias
from easymtl.layers.context import Build, Call
from easymtl.layers.mlp import MLP, mlp_width, require_activation
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Steps
from easymtl.protos.backbone_pb2 import TextCNN as TextCNNConfig


class TextCNN(tf.Module):
    """max_t act(x_{t:t+s} W + b) for each size s of filters, side by side, then an MLP (Kim 2014, equations 1 to 3).

    Histories are padded with zeros, or cut, to `pad_sequence_length`: what a batch holds besides a row does not count.
    """

    def __init__(self, build: Build, name: str, config: TextCNNConfig, width: int):
        """Makes the weights `<name>/conv1d[_<i>]/{kernel,bias}`, numbered over the model, and `<name>/mlp/..`.

        Args:
            build: takes the weights.
            name: of the layer.
            config: `text_cnn_width` has accepted it.
            width: of a step.
        """
        super().__init__()
        self.length = config.pad_sequence_length
        filters = list(zip(config.filter_sizes, config.num_filters))
        self.kernels, self.biases, self.activations = [], [], []
        for size, number in filters:
            path = f"{name}/{build.numbered('conv1d')}"
            self.kernels.append(build.weight(f"{path}/kernel", [size, width, number]))
            self.biases.append(build.variable([f"{path}/bias"], tf.zeros([number])))
            self.activations.append(make_block_activation(build, f"{path}/act", config.activation, number))
        self.mlp: MLP | None = None
        if config.HasField("mlp"):
            self.mlp = MLP(build, f"{name}/mlp", sum(config.num_filters), config.mlp)
        self.width = text_cnn_width(config)

    def __call__(self, steps: Steps, call: Call) -> tf.Tensor:
        """Maps a history to `[batch, width]`."""
        values = tf.cast(steps.rectangle().values[:, : self.length], call.dtype)
        missing = self.length - tf.shape(values)[1]
        padded = tf.pad(values, [[0, 0], [0, missing], [0, 0]])
        padded = tf.ensure_shape(padded, [None, self.length, values.shape[-1]])
        pooled = []
        for kernel, bias, activation in zip(self.kernels, self.biases, self.activations):
            size, width, number = kernel.shape
            windows = self.length - size + 1
            # A product of windows: the convolution that TensorFlow has costs more on a processor.
            seen = tf.concat([padded[:, start : start + windows] for start in range(size)], axis=2)
            product = tf.matmul(
                tf.reshape(seen, [-1, size * width]), tf.cast(tf.reshape(kernel, [-1, number]), call.dtype)
            )
            active = activation(add_bias(product, bias, call), call)
            pooled.append(tf.reduce_max(tf.reshape(active, [-1, windows, number]), axis=1))
        joined = tf.concat(pooled, axis=1)
        return joined if self.mlp is None else self.mlp(joined, call)


def text_cnn_width(config: TextCNNConfig) -> int:
    """Returns the width of the result.

    Raises:
        ShapeFault: the config cannot be built; the text goes on from the name of the layer.
    """
    sizes, numbers = list(config.filter_sizes), list(config.num_filters)
    if not sizes or len(sizes) != len(numbers):
        raise ShapeFault(
            f"has filter_sizes {sizes} and num_filters {numbers}; give one number of filters for each size"
        )
    if min(sizes) == 0 or min(numbers) == 0:
        raise ShapeFault(f"has filter_sizes {sizes} and num_filters {numbers}; each of them is 1 or more")
    if not config.pad_sequence_length:
        raise ShapeFault(
            "needs pad_sequence_length, to which each history is padded or cut: without it the result of a row would "
            "depend on the longest history of its batch"
        )
    if config.pad_sequence_length < max(sizes):
        raise ShapeFault(
            f"has pad_sequence_length {config.pad_sequence_length}, less than the largest of filter_sizes, {max(sizes)}"
        )
    require_activation(config.activation, "activation")
    return mlp_width(config.mlp, "mlp") if config.HasField("mlp") else sum(numbers)
