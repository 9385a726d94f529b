"""Blocks that make vectors of numbers."""

from typing import Any, ClassVar

import tensorflow as tf

from easymtl.config.number_embeddings import NumberEmbedding, num_replicas, vector_width
from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.nary_embedding import NaryDis
from easymtl.layers.number_embeddings import AutoDis, Periodic, require_parameters
from easymtl.layers.shapes import Array, Shape, require_vector, vector


class _OfNumbers(NamedLayer):
    """The vectors that a layer makes of each number, flat: `[batch, features * width]`.

    With `output_tensor_list` the result is the pair of that and the list of the features' vectors; else with
    `output_3d_tensor` the pair of that and `[batch, features, width]`. With several `num_replicas` it is a list: the
    flat form of each, then the other form of each if asked for.
    """

    kind: ClassVar[type[AutoDis] | type[NaryDis] | type[Periodic]]

    def __init__(self, build: Build, name: str, config: NumberEmbedding, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config, self.num_features = config, require_vector(inputs)
        self.vectors = self.kind(build, name, self.num_features, config)

    @staticmethod
    def shape(config: NumberEmbedding, inputs: Shape) -> Shape:
        """Returns `[batch, features * width]`, a pair with it, or a list for several replicas."""
        require_parameters(config)
        one = _shapes(config, require_vector(inputs), vector_width(config))
        return _side_by_side([one] * num_replicas(config))

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor | tuple | list:
        """Maps numbers `[batch, features]` to vectors."""
        vectors = tf.cast(self.vectors(x, call), call.dtype)  # [batch, features, (bases,) replicas * embedding_dim]
        shape = [-1, self.num_features, vector_width(self.config)]
        replicas = [tf.reshape(one, shape) for one in tf.split(vectors, num_replicas(self.config), axis=-1)]
        return _side_by_side([_forms(self.config, replica) for replica in replicas])


class PeriodicEmbedding(_OfNumbers):
    """`layers.number_embeddings.Periodic` of each number."""

    kind = Periodic


class AutoDisEmbedding(_OfNumbers):
    """`layers.number_embeddings.AutoDis` of each number."""

    kind = AutoDis


class NaryDisEmbedding(_OfNumbers):
    """`layers.nary_embedding.NaryDis` of each number, the bases side by side."""

    kind = NaryDis


def _forms(config: NumberEmbedding, vectors: tf.Tensor) -> tf.Tensor | tuple:
    _, num_features, width = vectors.shape
    flat = tf.reshape(vectors, [-1, num_features * width])
    if config.output_tensor_list:
        return flat, tf.unstack(vectors, axis=1)
    return (flat, vectors) if config.output_3d_tensor else flat


def _shapes(config: NumberEmbedding, num_features: int, width: int) -> Shape:
    flat = vector(num_features * width)
    if config.output_tensor_list:
        return flat, [vector(width) for _ in range(num_features)]
    return (flat, Array((None, num_features, width))) if config.output_3d_tensor else flat


def _side_by_side(results: list) -> Any:
    """Returns the one result there is, or the first parts of all, then their second parts if they are pairs."""
    if len(results) == 1:
        return results[0]
    if not isinstance(results[0], tuple):
        return results
    return [first for first, _ in results] + [second for _, second in results]
