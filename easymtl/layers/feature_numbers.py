"""The vector of a feature that is made of its numbers by a layer."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.nary_embedding import NaryDis
from easymtl.layers.number_embeddings import AutoDis, Periodic
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
        """
        super().__init__()
        kind = str(feature.WhichOneof("number_embedding"))
        self.layer = _LAYERS[kind](build, f"{scope}_{kind}", num_numbers, getattr(feature, kind))
        bases = len(self.layer.bases) if isinstance(self.layer, NaryDis) else 1
        self.width = num_numbers * bases * self.layer.width

    def __call__(self, numbers: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps numbers `[batch, num_numbers]` to `[batch, width]`, float32 as vectors of tables are."""
        return tf.reshape(self.layer(numbers, call), [-1, self.width])
