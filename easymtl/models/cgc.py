"""Customized gate control."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.extraction import ExtractionLevel
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import CGC as CGCConfig


class CGC(MultiTaskModel):
    """CGC: each task mixes experts of its own with shared ones (Tang et al., RecSys 2020, section 4.2).

    y_t = h_t(g_t(x)) (equation 4), with g_t of an `ExtractionLevel`: it is PLE of one level.
    """

    def __init__(
        self, build: Build, config: CGCConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        gate_dnn = config.gate_dnn if config.HasField("gate_dnn") else None
        width, tasks = group_widths[INPUT_GROUP], [tower.tower_name for tower in config.task_towers]
        self.level = ExtractionLevel(build, "cgc", config, width, tasks, gate_dnn, is_first=True, is_last=True)
        widths = dict.fromkeys(num_outputs, self.level.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        inputs = [groups[INPUT_GROUP]] * (len(self.level.gates) + 1)
        return self.towers(dict(zip(self.towers.outputs, self.level(inputs, call))), groups, call)
