"""One-gate mixture of experts."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.experts import Experts, Gate, mix
from easymtl.layers.gate_weights import GateNames, numbered_experts
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import OMoE as OMoEConfig


class OMoE(MultiTaskModel):
    """The one-gate mixture that MMoE is compared with (Ma et al., KDD 2018).

    All towers read the same mixture (equation 5): y_t = h_t(sum_k softmax(gate(x))_k E_k(x)).
    """

    def __init__(
        self, build: Build, config: OMoEConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        width = group_widths[INPUT_GROUP]
        hidden = config.gate_dnn if config.HasField("gate_dnn") else None
        names = [f"omoe/expert_{index}" for index in range(config.num_expert)]
        self.experts = Experts(build, names, width, [config.expert_dnn] * config.num_expert)
        told_as = GateNames("omoe", numbered_experts(config.num_expert))
        self.gate = Gate(build, "omoe/gate", width, config.num_expert, hidden, told_as)
        widths = dict.fromkeys(num_outputs, self.experts.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = groups[INPUT_GROUP]
        mixture = mix(self.gate(x, call), self.experts(x, call))
        return self.towers(dict.fromkeys(self.towers.outputs, mixture), groups, call)
