"""Task towers over a block graph."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.models.backbone import GraphError, Results
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers, TowerNames
from easymtl.models.block_graph.faults import BlockFault
from easymtl.models.over_backbone import result_group
from easymtl.protos.model_pb2 import ModelParams as ModelParamsConfig

_NAMES = TowerNames(dnn="{task}", output="{task}/output")
_PATH = "model_config.model_params"


class ModelParams(MultiTaskModel):
    """A tower for each task over the results of a block graph: over one each if it gives a list, else over the same."""

    def __init__(
        self,
        build: Build,
        config: ModelParamsConfig,
        group_widths: Mapping[str, int],
        num_outputs: Mapping[str, int],
    ):
        super().__init__(build, config, group_widths, num_outputs)
        is_list = result_group(0) in group_widths
        self._groups = {task: result_group(index) if is_list else INPUT_GROUP for index, task in enumerate(num_outputs)}
        widths = {task: group_widths[group] for task, group in self._groups.items()}
        self.towers = TaskTowers(
            build, config.task_towers, widths, num_outputs, group_widths, _NAMES, concat_relations=True
        )

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        return self.towers({task: groups[group] for task, group in self._groups.items()}, groups, call)


def require_a_result_each(results: Results, tasks: list[str]) -> None:
    """Checks that a list of results has one for each tower.

    Raises:
        GraphError: it has more or less.
    """
    if results.is_list and len(results.widths) != len(tasks):
        text = (
            f"has {len(tasks)} task_towers ({', '.join(tasks)}), and the backbone gives a list of "
            f"{len(results.widths)}: give one value for each tower, in their order, or one tensor for all of them."
        )
        raise GraphError([BlockFault(_PATH, text)])
