"""The vector of a feature that is made of its numbers by a layer."""

import tensorflow as tf

from easymtl.config.number_embeddings import num_replicas, vector_width
from easymtl.layers.context import Build, Call
from easymtl.layers.nary_embedding import NaryDis
from easymtl.layers.number_embeddings import AutoDis, Periodic, require_parameters
from easymtl.protos.feature_pb2 import FeatureConfig

_LAYERS: dict[str, type[AutoDis] | type[NaryDis] | type[Periodic]] = {
    "auto_dis_embedding": AutoDis,
    "nary_dis_embedding": NaryDis,
    "periodic_embedding": Periodic,
}


class NumberVectors(tf.Module):
    """The `number_embedding` of a feature: a vector for each of its numbers, side by side.

    Attributes:
        width: of the result.
    """

    def __init__(self, build: Build, scope: str, feature: FeatureConfig, num_numbers: int):
        """Makes the layer.

        Args:
            build: seed and norms of the layers.
            scope: beginning of the names of its weights.
            feature: says which layer.
            num_numbers: of a row.

        Raises:
            ShapeFault: the layer cannot be built; the text goes on from its name.
        """
        super().__init__()
        kind = str(feature.WhichOneof("number_embedding"))
        config = getattr(feature, kind)
        require_parameters(config)
        self.layer = _LAYERS[kind](build, f"{scope}_{kind}", num_numbers, config)
        self.width = num_numbers * vector_width(config) * num_replicas(config)

    def __call__(self, numbers: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps numbers `[batch, num_numbers]` to `[batch, width]`, float32 as vectors of tables are."""
        return tf.reshape(self.layer(numbers, call), [-1, self.width])
