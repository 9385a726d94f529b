"""Progressive layered extraction."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.extraction import ExtractionLevel
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import PLE as PLEConfig


class PLE(MultiTaskModel):
    """Progressive Layered Extraction: A Novel Multi-Task Learning Model (Tang et al., RecSys 2020, section 4.3).

    Levels of experts and gates, each over the mixtures of the one below (equation 5); y_t = h_t(g_t) of the last
    (equation 6). Layers are named as EasyRec does.
    """

    def __init__(
        self, build: Build, config: PLEConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        gate_dnn = config.gate_dnn if config.HasField("gate_dnn") else None
        width, tasks = group_widths[INPUT_GROUP], [tower.tower_name for tower in config.task_towers]
        self.levels: list[ExtractionLevel] = []
        last = len(config.extraction_networks) - 1
        for index, network in enumerate(config.extraction_networks):
            name = network.network_name or f"ple_{index}"
            level = ExtractionLevel(build, name, network, width, tasks, gate_dnn, index == 0, index == last)
            self.levels.append(level)
            width = level.width
        widths = dict.fromkeys(num_outputs, width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        mixtures = [groups[INPUT_GROUP]] * (len(self.towers.outputs) + 1)
        for level in self.levels:
            mixtures = level(mixtures, call)
        return self.towers(dict(zip(self.towers.outputs, mixtures)), groups, call)
