"""Shared and task-specific embeddings."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Experts, Gate, mix
from easymtl.layers.gate_weights import GateNames, expert_names, shared_owner
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import STEM as STEMConfig
from easymtl.protos.task_pb2 import TaskTower


class STEM(MultiTaskModel):
    """STEM-Net: Shared and Task-specific EMbeddings (Su et al., AAAI 2024, arXiv:2308.13537).

        E_t = experts_t(x_t),  E_s = shared experts(x_s)
        z_t = g_t(x_t, x_s) [E_t, stop(E_r) for every other task r, E_s]
        y_t = tower_t(z_t)

    The group `all` is x_s, the tower's `feature_group` is x_t: each with tables of its own, unless a feature has an
    `embedding_name`. All experts go forward into every gate ("All Forward"), and a task's gradient goes back into its
    own experts and the shared ones only ("Task-specific Backward"): it moves no table and no expert of another task.
    Relation towers are outside of that: a tower that reads another one trains it, with its tables.

    The paper's text leaves open what a gate reads; its published code adds x_t and x_s. A layer over both side by side
    computes every function that one over their sum does, and the two need not be equally wide. One level of experts:
    what the shared part would mix for a second one is not needed.
    """

    def __init__(
        self, build: Build, config: STEMConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.input_groups = {tower.tower_name: tower.feature_group for tower in config.task_towers}
        shared_width = group_widths[INPUT_GROUP]
        self.shared = _experts(build, "stem/shared", shared_width, config.share_num, config.share_expert_net)
        hidden = config.gate_dnn if config.HasField("gate_dnn") else None
        count = config.expert_num_per_task
        shared = shared_owner(self.input_groups)
        names = expert_names(dict.fromkeys(self.input_groups, count) | {shared: config.share_num})
        self.experts: dict[str, Experts] = {}
        self.gates: dict[str, Gate] = {}
        for task, group in self.input_groups.items():
            width, name = group_widths[group], f"stem/task_{task}"
            self.experts[task] = _experts(build, name, width, count, config.task_expert_net)
            told_as = GateNames(task, names)
            self.gates[task] = Gate(build, f"{name}/gate", width + shared_width, len(names), hidden, told_as)
        widths = dict.fromkeys(num_outputs, self.shared.width)
        towers = [_without_group(tower) for tower in config.task_towers]
        self.towers = TaskTowers(build, towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        shared_input = groups[INPUT_GROUP]
        shared = self.shared(shared_input, call)
        own = {task: experts(groups[self.input_groups[task]], call) for task, experts in self.experts.items()}
        stopped = {task: tf.stop_gradient(experts) for task, experts in own.items()}
        mixtures = {}
        for task, gate in self.gates.items():
            weights = gate(tf.concat([groups[self.input_groups[task]], shared_input], axis=1), call)
            everyone = [(own if other == task else stopped)[other] for other in own]
            mixtures[task] = mix(weights, tf.concat([*everyone, shared], axis=1))
        return self.towers(mixtures, groups, call)


def _experts(build: Build, name: str, num_inputs: int, count: int, config: DNNConfig) -> Experts:
    return Experts(build, [f"{name}/expert_{index}" for index in range(count)], num_inputs, [config] * count)


def _without_group(tower: TaskTower) -> TaskTower:
    """Returns the tower without its `feature_group`: the experts have read it, the tower does not read it again."""
    result = TaskTower()
    result.CopyFrom(tower)
    result.ClearField("feature_group")
    return result
