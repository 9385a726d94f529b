"""What every architecture has: inputs by group, and a tower with an output layer per task."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.config.names import INPUT_GROUP
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, OutputLayer
from easymtl.models.relations import RelationNetwork
from easymtl.protos.task_pb2 import TaskTower

__all__ = ["INPUT_GROUP", "MultiTaskModel", "TaskTowers", "TowerNames"]


class MultiTaskModel(tf.Module):
    """Maps features to one logits tensor per task, and nothing else.

    A subclass makes its layers in `__init__` and runs them in `__call__`. Losses, weights, probabilities and names
    of outputs are no business of it: `easymtl.tasks` has them.

    Attributes:
        output_names: of values that it returns beside the logits, `[batch, width]` each.
    """

    output_names: tuple[str, ...] = ()

    def __init__(self, build: Build, config: Message, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            config: the message of the model, for example an `MMoE`.
            group_widths: width of each feature group.
            num_outputs: width of the logits of each task, by tower name.
        """
        super().__init__()

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        raise NotImplementedError(f"{type(self).__name__} maps no features to logits yet: define __call__")


class TowerNames(NamedTuple):
    """How EasyRec names the layers of a tower; `{task}` and `{index}` stand for its name and its place.

    Attributes:
        dnn: of the tower's DNN.
        output: of its output layer.
    """

    dnn: str = "{task}"
    output: str = "dnn_output_{index}"


_NAMES = TowerNames()


class Relations(Protocol):
    """What stands between the towers and their output layers, such as a `RelationNetwork`.

    Attributes:
        widths: width of what it makes of each tower.
    """

    widths: Mapping[str, int]

    def __call__(self, towers: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps one tower output `[batch, width]` per task to `[batch, widths[task]]`."""


class TaskTowers(tf.Module):
    """A tower and an output layer per task, each on its own input: the end of most architectures.

        tower_t = dnn_t(concat[x_t, feature_group_t])
        logits_t = output_t(relations(tower_t))

    A tower without a DNN hands its input on. A tower with a `relation_dnn` reads the towers that it names in
    `relation_tower_names` (see `RelationNetwork`).
    """

    def __init__(
        self,
        build: Build,
        towers: Sequence[TaskTower],
        input_widths: Mapping[str, int],
        num_outputs: Mapping[str, int],
        group_widths: Mapping[str, int],
        names: TowerNames = _NAMES,
        concat_relations: bool = False,
        relations: Callable[[Mapping[str, int]], Relations] | None = None,
    ):
        """Makes the layers.

        Args:
            build: seed and norms of the layers.
            towers: the towers.
            input_widths: width of each task's input, by tower name.
            num_outputs: width of the logits of each task, by tower name.
            group_widths: width of each feature group; a tower's `feature_group` is joined to its input.
            names: of the layers.
            concat_relations: whether a tower without a `relation_dnn` is joined with its relation towers, as in DBMTL.
            relations: makes, from the width of each tower, what takes the place of the relation network.
        """
        super().__init__()
        self.groups = {tower.tower_name: tower.feature_group for tower in towers if tower.feature_group}
        self.dnns: dict[str, DNN] = {}
        widths: dict[str, int] = {}
        for index, tower in enumerate(towers):
            task = tower.tower_name
            width = input_widths[task] + (group_widths[tower.feature_group] if tower.feature_group else 0)
            if tower.HasField("dnn"):
                self.dnns[task] = DNN(build, names.dnn.format(task=task, index=index), width, tower.dnn)
                width = self.dnns[task].width
            widths[task] = width
        related = {
            tower.tower_name: tower.relation_tower_names if concat_relations or tower.HasField("relation_dnn") else ()
            for tower in towers
        }
        self.relations: Relations = relations(widths) if relations else RelationNetwork(build, towers, widths, related)
        self.outputs = {
            tower.tower_name: OutputLayer(
                build,
                names.output.format(task=tower.tower_name, index=index),
                self.relations.widths[tower.tower_name],
                num_outputs[tower.tower_name],
            )
            for index, tower in enumerate(towers)
        }

    def __call__(
        self, inputs: Mapping[str, tf.Tensor], groups: Mapping[str, tf.Tensor], call: Call
    ) -> dict[str, tf.Tensor]:
        """Maps one input `[batch, width]` per task, and the feature groups, to logits `[batch, num_outputs]`."""
        hidden = self.relations({task: self._tower(task, inputs[task], groups, call) for task in self.outputs}, call)
        return {task: output(hidden[task], call) for task, output in self.outputs.items()}

    def _tower(self, task: str, x: tf.Tensor, groups: Mapping[str, tf.Tensor], call: Call) -> tf.Tensor:
        if task in self.groups:
            group = groups[self.groups[task]]
            x = tf.concat([x, tf.cast(group, x.dtype)], axis=1)
        return self.dnns[task](x, call) if task in self.dnns else x
