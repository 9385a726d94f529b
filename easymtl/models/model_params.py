"""Models over a block graph: task towers of its own, or an architecture that reads the graph as its group `all`."""

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.layers.context import Build, Call
from easymtl.layers.merging import of_one_type
from easymtl.models.backbone import Backbone, GraphError, Results
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers, TowerNames
from easymtl.models.block_graph import Plan
from easymtl.models.block_graph.faults import BlockFault
from easymtl.protos.backbone_pb2 import BackboneTower
from easymtl.protos.model_pb2 import ModelParams

_NAMES = TowerNames(dnn="{task}", output="{task}/output")
_PATH = "model_config.model_params"


class OverBackbone(MultiTaskModel):
    """A model whose inputs are what a block graph makes of the features.

    `model_params` puts a tower for each task on the results: on one each if the graph gives a list, else all on the
    same one. Any other architecture reads the results, joined, as the group `all`.

    Attributes:
        output_names: of the blocks whose values the model returns beside the logits, `[batch, width]` each.
    """

    def __init__(
        self,
        build: Build,
        config: BackboneTower,
        plan: Plan,
        architecture: type[MultiTaskModel] | None,
        message: Message,
        shapes: Any,
        num_outputs: Mapping[str, int],
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            config: the backbone.
            plan: of its graph.
            architecture: what reads the result; None for `model_params`.
            message: of the model.
            shapes: of the feature groups.
            num_outputs: width of the logits of each task, by tower name.

        Raises:
            GraphError: the results of the graph are not what the towers take.
        """
        super().__init__(build, message, shapes, num_outputs)
        self.backbone = Backbone(build, config, plan)
        self.output_names = tuple(message.outputs) if isinstance(message, ModelParams) else ()
        self._tasks = list(num_outputs)
        self._is_list = self.backbone.results.is_list
        self._model: MultiTaskModel | None = None
        self._towers: TaskTowers | None = None
        if isinstance(message, ModelParams):
            widths = tower_inputs(self.backbone.results, self._tasks)
            self._towers = TaskTowers(
                build, message.task_towers, widths, num_outputs, shapes, _NAMES, concat_relations=True
            )
        else:
            assert architecture is not None
            over = ChainMap({INPUT_GROUP: sum(self.backbone.results.widths)}, shapes)
            self._model = architecture(build, message, over, num_outputs)

    def __call__(self, groups: Any, call: Call) -> dict[str, tf.Tensor]:
        """Maps the features to logits `[batch, num_outputs]` by tower name, and outputs by the names of blocks."""
        results, outputs = self.backbone(groups, call)
        if self._towers is not None:
            given = results if self._is_list else results * len(self._tasks)
            logits = self._towers(dict(zip(self._tasks, given)), groups, call)
        else:
            assert self._model is not None
            x = results[0] if len(results) == 1 else tf.concat(of_one_type(results, call.dtype), axis=1)
            logits = self._model(ChainMap({INPUT_GROUP: x}, groups), call)
        return logits | {name: tf.cast(outputs[name], tf.float32) for name in self.output_names}


def tower_inputs(results: Results, tasks: list[str]) -> dict[str, int]:
    """Returns the width of what each tower reads.

    Raises:
        GraphError: the graph gives a list of another length than there are towers.
    """
    if not results.is_list:
        return dict.fromkeys(tasks, results.widths[0])
    if len(results.widths) != len(tasks):
        text = (
            f"has {len(tasks)} task_towers ({', '.join(tasks)}), and the backbone gives a list of "
            f"{len(results.widths)}: give one value for each tower, in their order, or one tensor for all of them."
        )
        raise GraphError([BlockFault(_PATH, text)])
    return dict(zip(tasks, results.widths))
