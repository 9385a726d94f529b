"""Deep Bayesian multi-task learning: towers that read the towers they depend on."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, OutputLayer
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, Tower
from easymtl.models.mmoe import MixtureOfExperts
from easymtl.protos.model_pb2 import DBMTL as DBMTLConfig
from easymtl.protos.task_pb2 import TaskTower


class RelationNetwork(tf.Module):
    """The relations between tasks (Wang et al. 2019, section 3.2).

    h_t = relation_dnn_t(concat[tower_t, h_r for every r that t depends on]); without a relation DNN h_t is the
    concatenation itself. Tasks are computed in an order that respects their relations, whatever the config's is.
    """

    def __init__(self, build: Build, towers: Sequence[TaskTower], tower_widths: Mapping[str, int]):
        super().__init__()
        self.related = {tower.tower_name: list(tower.relation_tower_names) for tower in towers}
        self.order = list(TopologicalSorter(self.related).static_order())
        self.dnns: dict[str, DNN] = {}
        self.widths: dict[str, int] = {}
        configs = {tower.tower_name: tower for tower in towers}
        for name in self.order:
            width = tower_widths[name] + sum(self.widths[related] for related in self.related[name])
            if configs[name].HasField("relation_dnn"):
                self.dnns[name] = DNN(build, f"{name}/relation_dnn", width, configs[name].relation_dnn)
                width = self.dnns[name].width
            self.widths[name] = width

    def __call__(self, towers: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps one tower output `[batch, width]` per task to its h_t `[batch, widths[t]]`."""
        hidden: dict[str, tf.Tensor] = {}
        for name in self.order:
            inputs = [towers[name], *(hidden[related] for related in self.related[name])]
            x = tf.concat(inputs, axis=1) if len(inputs) > 1 else inputs[0]
            hidden[name] = self.dnns[name](x, call) if name in self.dnns else x
        return hidden


class DBMTL(MultiTaskModel):
    """DBMTL: bottom DNN, optional experts, a tower per task, relation network, output layers.

    Deep Bayesian Multi-Target Learning for Recommender Systems (Wang et al., 2019, arXiv:1902.09154).
    """

    def __init__(
        self, build: Build, config: DBMTLConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        width = group_widths[INPUT_GROUP]
        self.bottom = DNN(build, "bottom_dnn", width, config.bottom_dnn) if config.HasField("bottom_dnn") else None
        width = self.bottom.width if self.bottom else width
        experts = [config.expert_dnn] * config.num_expert if config.HasField("expert_dnn") else []
        self.mixture = MixtureOfExperts(build, config, width, experts, list(num_outputs)) if experts else None
        width = self.mixture.width if self.mixture else width
        towers = config.task_towers
        self.towers = {t.tower_name: Tower(build, f"{t.tower_name}/dnn", width, t) for t in towers}
        self.relations = RelationNetwork(build, towers, {name: tower.width for name, tower in self.towers.items()})
        self.outputs = {
            name: OutputLayer(build, f"{name}/output", self.relations.widths[name], num_outputs[name])
            for name in self.towers
        }

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = groups[INPUT_GROUP]
        if self.bottom:
            x = self.bottom(x, call)
        inputs = self.mixture(x, call) if self.mixture else dict.fromkeys(self.towers, x)
        hidden = self.relations({name: tower(inputs[name], call) for name, tower in self.towers.items()}, call)
        return {name: output(hidden[name], call) for name, output in self.outputs.items()}
