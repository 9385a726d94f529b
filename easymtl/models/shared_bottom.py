"""One network below all towers."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers
from easymtl.protos.model_pb2 import SharedBottom as SharedBottomConfig


class SharedBottom(MultiTaskModel):
    """Hard parameter sharing: Multitask Learning (Caruana, Machine Learning 28, 1997).

    y_t = h_t(f(x)) with one bottom f (Ma et al. 2018, equation 1).
    """

    def __init__(
        self, build: Build, config: SharedBottomConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.bottom = DNN(build, "bottom_dnn", group_widths[INPUT_GROUP], config.bottom_dnn)
        widths = dict.fromkeys(num_outputs, self.bottom.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        bottom = self.bottom(groups[INPUT_GROUP], call)
        return self.towers(dict.fromkeys(self.towers.outputs, bottom), groups, call)
