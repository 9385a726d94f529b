"""What every architecture has: inputs by group, and a tower with an output layer per task."""

from collections.abc import Mapping, Sequence

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, OutputLayer
from easymtl.protos.task_pb2 import TaskTower

INPUT_GROUP = "all"


class MultiTaskModel(tf.Module):
    """Maps features to one logits tensor per task, and nothing else.

    A subclass makes its layers in `__init__` and runs them in `__call__`. Losses, weights, probabilities and names
    of outputs are no business of it: `easymtl.tasks` has them.
    """

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


class Tower(tf.Module):
    """The DNN of a task; without one in the config its input goes through unchanged."""

    def __init__(self, build: Build, name: str, num_inputs: int, tower: TaskTower):
        super().__init__()
        self.dnn = DNN(build, name, num_inputs, tower.dnn) if tower.HasField("dnn") else None
        self.width = self.dnn.width if self.dnn else num_inputs

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, num_inputs]` to `[batch, width]`."""
        return self.dnn(x, call) if self.dnn else x


class TaskTowers(tf.Module):
    """A tower and an output layer per task, each on its own input: the end of most architectures."""

    def __init__(
        self,
        build: Build,
        towers: Sequence[TaskTower],
        input_widths: Mapping[str, int],
        num_outputs: Mapping[str, int],
    ):
        super().__init__()
        self.towers: dict[str, Tower] = {}
        self.outputs: dict[str, OutputLayer] = {}
        for index, config in enumerate(towers):
            name = config.tower_name
            tower = Tower(build, name, input_widths[name], config)
            self.towers[name] = tower
            self.outputs[name] = OutputLayer(build, f"dnn_output_{index}", tower.width, num_outputs[name])

    def __call__(self, inputs: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps one input `[batch, width]` per task to its logits `[batch, num_outputs]`."""
        return {name: self.outputs[name](tower(inputs[name], call), call) for name, tower in self.towers.items()}
