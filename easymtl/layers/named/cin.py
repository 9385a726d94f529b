"""The compressed interaction network of xDeepFM."""

import tensorflow as tf

from easymtl.layers.bias import add_bias
from easymtl.layers.context import Build, Call
from easymtl.layers.initializers import he_normal, zeros
from easymtl.layers.named.base import NamedLayer, scope_of_block
from easymtl.layers.shapes import Shape, ShapeFault, vector
from easymtl.layers.vectors import equal_field_widths, field_matrix
from easymtl.protos.backbone_pb2 import CIN as CINConfig


class CIN(NamedLayer):
    """X^k_h = relu(b_h + sum_ij W_hij X^(k-1)_i ∘ X^0_j), each added up over its width (Lian et al. 2018, equation 6).

    Its weights are `<block>/cin_kernel_<k>` and `<block>/cin_bias_<k>`, without the prefix of other layers.
    """

    def __init__(self, build: Build, name: str, config: CINConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        num_fields, _ = equal_field_widths(inputs)
        self.kernels: list[tf.Variable] = []
        self.biases: list[tf.Variable] = []
        scope, num_maps = scope_of_block(build, name, "cin_kernel_0"), num_fields
        for index, size in enumerate(config.hidden_feature_sizes):
            kernel = build.weight(f"{scope}/cin_kernel_{index}", [size, num_maps, num_fields], he_normal)
            self.kernels.append(kernel)
            self.biases.append(build.weight(f"{scope}/cin_bias_{index}", [size], zeros))
            num_maps = size

    @staticmethod
    def shape(config: CINConfig, inputs: Shape) -> Shape:
        """Returns `[batch, sum of hidden_feature_sizes]`."""
        equal_field_widths(inputs)
        if not config.hidden_feature_sizes or min(config.hidden_feature_sizes) <= 0:
            raise ShapeFault("needs hidden_feature_sizes above 0, for example hidden_feature_sizes: [64, 32]")
        return vector(sum(config.hidden_feature_sizes))

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps `[batch, fields, width]` to `[batch, sum of hidden_feature_sizes]`."""
        first = tf.transpose(field_matrix(x, call.dtype), [0, 2, 1])  # [batch, width, fields]
        maps, sums = first, []
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            size, num_maps, num_fields = kernel.shape
            products = maps[:, :, :, tf.newaxis] * first[:, :, tf.newaxis, :]  # [batch, width, maps, fields]
            flat = tf.reshape(products, [-1, num_maps * num_fields])
            weights = tf.reshape(tf.cast(kernel, call.dtype), [size, num_maps * num_fields])
            hidden = tf.matmul(flat, weights, transpose_b=True)
            hidden = tf.nn.relu(add_bias(hidden, bias, call))
            maps = tf.reshape(hidden, [-1, first.shape[1], size])  # [batch, width, size]
            sums.append(tf.reduce_sum(maps, axis=1))
        return tf.concat(sums, axis=1)
