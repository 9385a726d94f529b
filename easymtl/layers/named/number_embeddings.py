"""Blocks that make vectors of numbers."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.nary_embedding import BASES, NaryDis
from easymtl.layers.number_embeddings import AutoDis, Periodic
from easymtl.layers.shapes import Array, Shape, require_vector, vector
from easymtl.layers.vectors import vector_width
from easymtl.protos import backbone_pb2

Config = backbone_pb2.PeriodicEmbedding | backbone_pb2.AutoDisEmbedding | backbone_pb2.NaryDisEmbedding


class PeriodicEmbedding(NamedLayer):
    """`layers.number_embeddings.Periodic` of each number, in one of the forms of `_forms`."""

    def __init__(self, build: Build, name: str, config: backbone_pb2.PeriodicEmbedding, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config, self.vectors = config, Periodic(build, name, require_vector(inputs), config)

    @staticmethod
    def shape(config: backbone_pb2.PeriodicEmbedding, inputs: Shape) -> Shape:
        """Returns `[batch, features * embedding_dim]`, or a pair with it."""
        Periodic.check(config)
        return _shapes(config, _num_features(inputs), config.embedding_dim)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor | tuple:
        """Maps numbers `[batch, features]` to vectors."""
        return _forms(self.config, tf.cast(self.vectors(x, call), call.dtype))


class AutoDisEmbedding(NamedLayer):
    """`layers.number_embeddings.AutoDis` of each number, in one of the forms of `_forms`."""

    def __init__(self, build: Build, name: str, config: backbone_pb2.AutoDisEmbedding, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config, self.vectors = config, AutoDis(build, name, require_vector(inputs), config)

    @staticmethod
    def shape(config: backbone_pb2.AutoDisEmbedding, inputs: Shape) -> Shape:
        """Returns `[batch, features * embedding_dim]`, or a pair with it."""
        AutoDis.check(config)
        return _shapes(config, _num_features(inputs), config.embedding_dim)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor | tuple:
        """Maps numbers `[batch, features]` to vectors."""
        return _forms(self.config, tf.cast(self.vectors(x, call), call.dtype))


class NaryDisEmbedding(NamedLayer):
    """`layers.nary_embedding.NaryDis` of each number, the bases side by side, in one of the forms of `_forms`.

    With several `num_replicas` the result is a list: the flat form of each, then the other form of each if asked for.
    """

    def __init__(self, build: Build, name: str, config: backbone_pb2.NaryDisEmbedding, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config, self.num_features = config, require_vector(inputs)
        self.width = config.embedding_dim * (len(config.carries) or len(BASES))
        self.vectors = NaryDis(build, name, self.num_features, config)

    @staticmethod
    def shape(config: backbone_pb2.NaryDisEmbedding, inputs: Shape) -> Shape:
        """Returns `[batch, features * bases * embedding_dim]`, a pair with it, or a list for several replicas."""
        NaryDis.check(config)
        one = _shapes(config, _num_features(inputs), config.embedding_dim * (len(config.carries) or len(BASES)))
        return one if config.num_replicas == 1 else _side_by_side([one] * config.num_replicas)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor | tuple | list:
        """Maps numbers `[batch, features]` to vectors."""
        vectors = tf.cast(self.vectors(x, call), call.dtype)  # [batch, features, bases, replicas * embedding_dim]
        replicas = tf.split(vectors, self.config.num_replicas, axis=-1)
        flat = [tf.reshape(replica, [-1, self.num_features, self.width]) for replica in replicas]
        results = [_forms(self.config, replica) for replica in flat]
        return results[0] if len(results) == 1 else _side_by_side(results)


def _num_features(inputs: Shape) -> int:
    vector_width(inputs)  # Refuses texts.
    return require_vector(inputs)


def _forms(config: Config, vectors: tf.Tensor) -> tf.Tensor | tuple:
    """Returns vectors `[batch, features, width]` side by side, `[batch, features * width]`.

    With output_tensor_list it is the pair of that and the list of the features' vectors; else with output_3d_tensor the
    pair of that and the vectors as they are.
    """
    _, num_features, width = vectors.shape
    flat = tf.reshape(vectors, [-1, num_features * width])
    if config.output_tensor_list:
        return flat, tf.unstack(vectors, axis=1)
    return (flat, vectors) if config.output_3d_tensor else flat


def _shapes(config: Config, num_features: int, width: int) -> Shape:
    flat = vector(num_features * width)
    if config.output_tensor_list:
        return flat, [vector(width) for _ in range(num_features)]
    return (flat, Array((None, num_features, width))) if config.output_3d_tensor else flat


def _side_by_side(results: list) -> list:
    """Returns the first parts of all results, then their second parts if they are pairs."""
    if not isinstance(results[0], tuple):
        return results
    return [first for first, _ in results] + [second for _, second in results]
