"""Adaptive task-to-task fusion."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import StackedDNN, mix_all
from easymtl.layers.fusion import FusionUnit
from easymtl.layers.gate_weights import GateNames, expert_names, shared_owner
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import AdaTT as AdaTTConfig


class FusionLevel(tf.Module):
    """One level: experts of every unit over the unit's own input, then a fusion unit per task (equations 4 to 7).

    The shared unit, if there is one, comes after the tasks. In the last level it has experts and no fusion (section
    3.2), so nothing of it is left over.
    """

    def __init__(
        self,
        build: Build,
        name: str,
        num_inputs: int,
        config: AdaTTConfig.FusionLevel,
        tasks: Sequence[str],
        gate_dnn: DNNConfig | None,
        is_last: bool,
    ):
        super().__init__()
        counts = {f"{name}/{task}": config.expert_num_per_task for task in tasks}
        if config.share_num:
            counts[f"{name}_shared"] = config.share_num
        names = [f"{unit}/expert_{index}" for unit, count in counts.items() for index in range(count)]
        self.experts = StackedDNN(build, names, num_inputs, config.expert_net)
        self.width = self.experts.width
        self.owners = [unit for unit, count in enumerate(counts.values()) for _ in range(count)]
        fused = list(counts)[: len(tasks)] if is_last else list(counts)
        shared = shared_owner(tasks)
        experts = expert_names(dict.fromkeys(tasks, config.expert_num_per_task) | {shared: config.share_num})
        level = name.rpartition("/")[2]
        gates = list(tasks) if is_last else [f"{level}/{owner}" for owner in (*tasks, shared)]
        self.units = [
            FusionUnit(build, unit, num_inputs, len(names), self._places(index), gate_dnn, GateNames(gate, experts))
            for index, (unit, gate) in enumerate(zip(fused, gates))
        ]

    def _places(self, unit: int) -> list[int]:
        return [place for place, owner in enumerate(self.owners) if owner == unit]

    def __call__(self, inputs: list[tf.Tensor], call: Call) -> list[tf.Tensor]:
        """Maps one input `[batch, num_inputs]` per unit to one output `[batch, width]` per fused unit."""
        is_shared = all(x is inputs[0] for x in inputs)
        x = inputs[0] if is_shared else tf.stack([inputs[owner] for owner in self.owners], axis=1)
        return mix_all([unit(x, call) for unit, x in zip(self.units, inputs)], self.experts(x, call))


class AdaTT(MultiTaskModel):
    """AdaTT: Adaptive Task-to-Task Fusion Network for Multitask Learning in Recommendations (Li et al., KDD 2023).

        y_t = tower_t(f_t^L),  f_t^0 = x                                   (equations 1 and 2)
        f_t^l = AllExpertGF_t(E^l, g_t(f_t^{l-1})) + NativeExpertLF_t(E_t^l)        (equations 3 and 7)

    Without shared experts it is the paper's AdaTT-sp. arXiv:2304.04959.
    """

    def __init__(
        self, build: Build, config: AdaTTConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.tasks = list(num_outputs)
        gate_dnn = config.gate_dnn if config.HasField("gate_dnn") else None
        width = group_widths[INPUT_GROUP]
        self.levels: list[FusionLevel] = []
        for index, level in enumerate(config.fusion_levels):
            is_last = index == len(config.fusion_levels) - 1
            name = f"adatt/level_{index}"
            self.levels.append(FusionLevel(build, name, width, level, self.tasks, gate_dnn, is_last))
            width = self.levels[-1].width
        self.num_units = len(self.tasks) + bool(config.fusion_levels[0].share_num)
        widths = dict.fromkeys(self.tasks, width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        units = [groups[INPUT_GROUP]] * self.num_units
        for level in self.levels:
            units = level(units, call)
        return self.towers(dict(zip(self.tasks, units)), groups, call)
