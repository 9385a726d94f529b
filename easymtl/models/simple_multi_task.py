"""Shared embeddings, a DNN per task."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import SimpleMultiTask as SimpleMultiTaskConfig


class SimpleMultiTask(MultiTaskModel):
    """Hard parameter sharing of the embeddings alone (Caruana 1997): the towers meet in nothing else."""

    def __init__(
        self,
        build: Build,
        config: SimpleMultiTaskConfig,
        group_widths: Mapping[str, int],
        num_outputs: Mapping[str, int],
    ):
        super().__init__(build, config, group_widths, num_outputs)
        widths = dict.fromkeys(num_outputs, group_widths[INPUT_GROUP])
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        inputs = dict.fromkeys(self.towers.outputs, groups[INPUT_GROUP])
        return self.towers(inputs, groups, call)
