"""Everything between the vectors of features and the logits of tasks."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import Build, Call
from easymtl.models.base import MultiTaskModel
from easymtl.models.input_layer import InputLayer
from easymtl.models.inputs import InputShapes
from easymtl.protos.model_pb2 import VariationalDropoutLayer


class Network(tf.Module):
    """The input layer and an architecture on it.

    Attributes:
        input_layer: makes the groups.
        model: maps groups to logits.
    """

    def __init__(
        self,
        build: Build,
        feature_set: FeatureSet,
        make_model: Callable[[InputShapes], MultiTaskModel],
        dropout: VariationalDropoutLayer | None = None,
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            feature_set: has the groups.
            make_model: returns the architecture, given the shapes of the groups.
            dropout: how rates of dropping features are learnt; None for no such dropout.
        """
        super().__init__()
        self.input_layer = InputLayer(build, feature_set, dropout)
        self.model: MultiTaskModel = make_model(self.input_layer.shapes)

    @property
    def shapes(self) -> InputShapes:
        """Returns the widths of the groups."""
        return self.input_layer.shapes

    def __call__(self, vectors: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps the vectors of all features, see `Embeddings.vectors`, to logits `[batch, num_outputs]` by tower."""
        return self.model(self.input_layer(vectors, call), call)
