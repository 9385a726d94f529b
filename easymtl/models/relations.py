"""The relation network of DBMTL: towers that read the towers they depend on. It can sit on any architecture."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.protos.task_pb2 import TaskTower


class RelationNetwork(tf.Module):
    """The relations between tasks (Wang et al. 2019, section 3.2).

    h_t = relation_dnn_t(concat[tower_t, h_r for every r that t depends on]); without a relation DNN h_t is the
    concatenation itself. Tasks are computed in an order that respects their relations, whatever the config's is.
    """

    def __init__(
        self,
        build: Build,
        towers: Sequence[TaskTower],
        tower_widths: Mapping[str, int],
        related: Mapping[str, Sequence[str]],
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            towers: the towers.
            tower_widths: width of each tower's last layer, by tower name.
            related: the towers that each one reads.
        """
        super().__init__()
        self.related = {name: list(names) for name, names in related.items()}
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
