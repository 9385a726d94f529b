"""Multi-gate mixture of experts."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Experts, Gate, mix_all
from easymtl.layers.gate_weights import GateNames, numbered_experts
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from easymtl.protos.model_pb2 import DBMTL as DBMTLConfig
from easymtl.protos.model_pb2 import MMoE as MMoEConfig


class MixtureOfExperts(tf.Module):
    """Experts shared by all tasks and a gate per task (Ma et al. 2018, equations 5 to 7).

    in_t = sum_k softmax(gate_t(x))_k E_k(x).
    """

    def __init__(
        self,
        build: Build,
        config: MMoEConfig | DBMTLConfig,
        num_inputs: int,
        experts: list[DNNConfig],
        tasks: list[str],
        told_as: Sequence[str] = (),
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            config: has the layers of the gates.
            num_inputs: width of the input.
            experts: layers of each expert.
            tasks: names of the towers.
            told_as: names of the experts, as people are told; default: `expert_0`, `expert_1`, ...
        """
        super().__init__()
        names = [f"mmoe/expert_{index}" for index in range(len(experts))]
        self.experts = Experts(build, names, num_inputs, experts)
        hidden = config.gate_dnn if config.HasField("gate_dnn") else None
        told_as = told_as or numbered_experts(len(experts))
        self.gates = {
            task: Gate(build, f"mmoe/gate_{index}", num_inputs, len(experts), hidden, GateNames(task, told_as))
            for index, task in enumerate(tasks)
        }
        self.width = self.experts.width

    def __call__(self, x: tf.Tensor, call: Call) -> dict[str, tf.Tensor]:
        """Maps `[batch, num_inputs]` to one mixture `[batch, width]` per task."""
        weights = [gate(x, call) for gate in self.gates.values()]
        return dict(zip(self.gates, mix_all(weights, self.experts(x, call))))


class MMoE(MultiTaskModel):
    """Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts (Ma et al., KDD 2018)."""

    def __init__(
        self, build: Build, config: MMoEConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        experts = [expert.dnn for expert in config.experts] or [config.expert_dnn] * config.num_expert
        given = [expert.expert_name for expert in config.experts]
        names = given if all(given) else []
        self.mixture = MixtureOfExperts(build, config, group_widths[INPUT_GROUP], experts, list(num_outputs), names)
        widths = dict.fromkeys(num_outputs, self.mixture.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        return self.towers(self.mixture(groups[INPUT_GROUP], call), groups, call)
