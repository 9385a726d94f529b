"""Gates from the domain over the embeddings, and from the person over the towers."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.gate_unit import GateUnit, ScaledDNN
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import PEPNet as PEPNetConfig
from easymtl.protos.task_pb2 import TaskTower


class PersonalTowers(tf.Module):
    """PPNet: one Gate NU per layer scales the input of that layer in all towers (equations 7 to 9).

        delta^l = GateNU_l(concat[prior, stop(x)])
        H^{l+1} = f((delta^l * H^l) W^l + b^l),  H^1 = x

    The output layer is the last of these layers: what the towers hand to it is scaled too.
    """

    def __init__(
        self,
        build: Build,
        towers: Sequence[TaskTower],
        input_widths: Mapping[str, int],
        num_gate_inputs: int,
        num_hidden: int,
    ):
        """Makes the layers; `input_widths` are those of the towers, by name."""
        super().__init__()
        self.dnns = {
            tower.tower_name: ScaledDNN(build, tower.tower_name, input_widths[tower.tower_name], tower.dnn)
            for tower in towers
        }
        self.widths = {
            task: [input_widths[task], *(dense.kernel.shape[1] for dense in dnn.dense)]
            for task, dnn in self.dnns.items()
        }
        depth = max(len(widths) for widths in self.widths.values())
        self.gates = [
            GateUnit(build, f"ppnet/layer_{layer}", num_gate_inputs, num_hidden, sum(self._widths_at(layer).values()))
            for layer in range(depth)
        ]

    def _widths_at(self, layer: int) -> dict[str, int]:
        return {task: widths[layer] for task, widths in self.widths.items() if layer < len(widths)}

    def __call__(self, inputs: Mapping[str, tf.Tensor], prior: tf.Tensor, call: Call) -> dict[str, tf.Tensor]:
        """Maps one input `[batch, width]` per task, and what the gates read, to what goes into each output layer."""
        factors: dict[str, list[tf.Tensor]] = {task: [] for task in self.dnns}
        for layer, gate in enumerate(self.gates):
            widths = self._widths_at(layer)
            for task, part in zip(widths, tf.split(gate(prior, call), list(widths.values()), axis=1)):
                factors[task].append(part)
        return {
            task: dnn.scaled(tf.cast(inputs[task], call.dtype), factors[task], call) * factors[task][-1]
            for task, dnn in self.dnns.items()
        }


class PEPNet(MultiTaskModel):
    """PEPNet: Parameter and Embedding Personalized Network (Chang et al., KDD 2023, arXiv:2302.01115).

        x = GateNU(concat[domain, stop(E)]) * E                             EPNet, equations 5 and 6
        logits_t = tower_t(x), each layer scaled by the person              PPNet, equations 7 to 9

    E is the group `all`; `domain_group` and `personal_group` have tables of their own, unless their features have an
    `embedding_name`. Gates read E and x with gradients stopped, so they never move the embeddings that they scale. The
    paper's other choices, its separate optimizers and its table of evicted ids, are no part of the network.
    """

    def __init__(
        self, build: Build, config: PEPNetConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.domain_group, self.personal_group = config.domain_group, config.personal_group
        self.tower_groups = {tower.tower_name: tower.feature_group for tower in config.task_towers}
        width, num_hidden = group_widths[INPUT_GROUP], config.gate_hidden_units
        self.embedding_gate: GateUnit | None = None
        self.personal: PersonalTowers | None = None
        if self.domain_group:
            num_inputs = group_widths[self.domain_group] + width
            self.embedding_gate = GateUnit(build, "epnet", num_inputs, num_hidden, width)
        widths, towers = dict.fromkeys(num_outputs, width), list(config.task_towers)
        if self.personal_group:
            inputs = {t: width + (group_widths[group] if group else 0) for t, group in self.tower_groups.items()}
            num_inputs = group_widths[self.personal_group] + width
            self.personal = PersonalTowers(build, towers, inputs, num_inputs, num_hidden)
            widths = {task: layers[-1] for task, layers in self.personal.widths.items()}
            towers = [_without_layers(tower) for tower in towers]
        self.towers = TaskTowers(build, towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = tf.cast(groups[INPUT_GROUP], call.dtype)
        if self.embedding_gate:
            x *= self.embedding_gate(_beside(groups[self.domain_group], x), call)
        inputs = dict.fromkeys(self.tower_groups, x)
        if self.personal:
            read = {
                task: tf.concat([x, tf.cast(groups[group], x.dtype)], axis=1) if group else x
                for task, group in self.tower_groups.items()
            }
            inputs = self.personal(read, _beside(groups[self.personal_group], x), call)
        return self.towers(inputs, groups, call)


def _beside(prior: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns what a gate reads: its prior, and x without a way back."""
    return tf.concat([tf.cast(prior, x.dtype), tf.stop_gradient(x)], axis=1)


def _without_layers(tower: TaskTower) -> TaskTower:
    """Returns the tower without its DNN and its feature group, which the personal towers have run."""
    result = TaskTower()
    result.CopyFrom(tower)
    result.ClearField("dnn")
    result.ClearField("feature_group")
    return result
