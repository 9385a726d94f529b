"""Vectors for numbers: soft buckets, sines and cosines."""

import math

import tensorflow as tf

from easymtl.config.number_embeddings import NumberEmbedding, parameter_faults
from easymtl.layers.activation import make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.initializers import normal, zeros
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.backbone_pb2 import AutoDisEmbedding, PeriodicEmbedding


class Periodic(tf.Module):
    """[sin v, cos v] with v = 2 pi c x and trained frequencies c (Gorishniy et al. 2022, equations 2 and 3).

    With `add_linear_layer` a dense layer and an activation follow, with weights of each feature's own. Computed in
    float32: a bfloat16 has no digits left for the angle of a large number.
    """

    def __init__(self, build: Build, name: str, num_features: int, config: PeriodicEmbedding):
        super().__init__()
        width = config.embedding_dim
        shape = [1, num_features, width // 2]
        self.frequencies = build.weight(f"{name}/coefficients", shape, normal(config.sigma))
        self.width, self.has_layer = width, config.add_linear_layer
        if self.has_layer:
            self.weights = build.weight(f"{name}/weights", [1, num_features, width, width])
            self.bias = build.weight(f"{name}/bias", [1, num_features, width], zeros)
            columns = num_features * width
            self.activation = make_block_activation(build, f"{name}/act", config.linear_activation, columns)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps numbers `[batch, features]` to vectors `[batch, features, embedding_dim]`."""
        angles = 2 * math.pi * self.frequencies * tf.cast(x, tf.float32)[:, :, tf.newaxis]
        vectors = tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
        if not self.has_layer:
            return vectors
        vectors = tf.einsum("bfd,fde->bfe", vectors, self.weights[0]) + self.bias
        # The activation sees all features side by side: those with weights have a slope for each column.
        flat = self.activation(tf.reshape(vectors, [-1, vectors.shape[1] * self.width]), call)
        return tf.reshape(flat, [-1, vectors.shape[1], self.width])


class AutoDis(tf.Module):
    """A mixture of bucket vectors (Guo et al. 2021, AutoDis, equations 6 to 9).

    u = leaky_relu(w x), p = softmax((M u + keep_prob u) / temperature), sum_k p_k E_k. Computed in float32.
    """

    def __init__(self, build: Build, name: str, num_features: int, config: AutoDisEmbedding):
        super().__init__()
        num_bins, self.width = config.num_bins, config.embedding_dim
        self.keep, self.temperature = config.keep_prob, config.temperature
        self.vectors = build.weight(f"{name}/meta_embedding", [num_features, num_bins, self.width])
        self.weights = build.weight(f"{name}/project_w", [1, num_features, num_bins])
        self.matrix = build.weight(f"{name}/project_mat", [num_features, num_bins, num_bins])

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps numbers `[batch, features]` to vectors `[batch, features, embedding_dim]`."""
        hidden = tf.nn.leaky_relu(self.weights * tf.cast(x, tf.float32)[:, :, tf.newaxis])  # [batch, features, bins]
        mixed = tf.einsum("fij,bfj->bfi", self.matrix, hidden) + self.keep * hidden
        return tf.einsum("bfk,fkd->bfd", tf.nn.softmax(mixed / self.temperature), self.vectors)


def require_parameters(config: NumberEmbedding) -> None:
    """Checks the parameters of a layer that makes vectors of numbers.

    Raises:
        ShapeFault: it cannot be built; the text goes on from the name of the layer.
    """
    for path, text, _ in parameter_faults(config):
        raise ShapeFault(f"has {path} {text}" if path else text)
