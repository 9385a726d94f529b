"""Architectures over a block graph, whose results take the place of features."""

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.layers.context import Build, Call
from easymtl.layers.merging import of_one_type
from easymtl.models.backbone import Backbone, Results
from easymtl.models.base import INPUT_GROUP, MultiTaskModel
from easymtl.models.block_graph import Plan
from easymtl.protos.backbone_pb2 import BackboneTower


class OverBackbone(MultiTaskModel):
    """A model whose inputs are what a block graph makes of the features.

    The architecture reads the results of the graph, joined, as the group `all`. Where the graph gives a list, each of
    its values is a group too, see `result_group`; the other groups are the features as they are.

    Attributes:
        output_names: of the blocks whose values the model returns beside the logits, `[batch, width]` each.
    """

    def __init__(
        self,
        build: Build,
        backbone: tuple[BackboneTower, Plan],
        architecture: type[MultiTaskModel],
        message: Message,
        shapes: Any,
        num_outputs: Mapping[str, int],
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            backbone: the config of the graph, and its plan.
            architecture: what reads the results.
            message: of the architecture.
            shapes: of the feature groups.
            num_outputs: width of the logits of each task, by tower name.

        Raises:
            GraphError: the results of the graph are not what the towers take.
        """
        super().__init__(build, message, shapes, num_outputs)
        self.backbone = Backbone(build, *backbone)
        self.output_names = tuple(getattr(message, "outputs", ()))
        self._model = architecture(build, message, ChainMap(result_widths(self.backbone.results), shapes), num_outputs)

    def __call__(self, groups: Any, call: Call) -> dict[str, tf.Tensor]:
        """Maps the features to logits `[batch, num_outputs]` by tower name, and outputs by the names of blocks."""
        results, outputs = self.backbone(groups, call)
        joined = results[0] if len(results) == 1 else tf.concat(of_one_type(results, call.dtype), axis=1)
        read = {INPUT_GROUP: joined}
        if self.backbone.results.is_list:
            read |= {result_group(index): result for index, result in enumerate(results)}
        logits = self._model(ChainMap(read, groups), call)
        return logits | {name: tf.cast(outputs[name], tf.float32) for name in self.output_names}


def result_group(index: int) -> str:
    """Returns the name of a value in the list that a block graph gives, as a group."""
    return f"backbone[{index}]"


def result_widths(results: Results) -> dict[str, int]:
    """Returns the widths of the groups that the results of a block graph are."""
    numbered = {result_group(index): width for index, width in enumerate(results.widths)}
    return {INPUT_GROUP: sum(results.widths), **(numbered if results.is_list else {})}
