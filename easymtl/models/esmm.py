"""Entire space multi-task model: a tower for the click, a tower for the conversion given the click."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers, TowerNames
from easymtl.protos.model_pb2 import ESMM as ESMMConfig
from easymtl.protos.model_pb2 import Tower

FUNNEL_NAMES = TowerNames(output="{task}/dnn_output")


class GroupNetworks(tf.Module):
    """A network over each feature group, side by side: x = concat[dnn_g(x_g) for the groups g in order].

    A group without a DNN goes through as it is; without any entry x is the group `all`.
    """

    def __init__(self, build: Build, groups: Sequence[Tower], group_widths: Mapping[str, int]):
        super().__init__()
        self.groups = [group.input for group in groups] or [INPUT_GROUP]
        self.dnns: dict[str, DNN] = {
            group.input: DNN(build, group.input, group_widths[group.input], group.dnn)
            for group in groups
            if group.HasField("dnn")
        }
        self.width = sum(self.dnns[name].width if name in self.dnns else group_widths[name] for name in self.groups)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> tf.Tensor:
        """Maps groups `[batch, width]` to `[batch, width]`."""
        parts = [self.dnns[name](groups[name], call) if name in self.dnns else groups[name] for name in self.groups]
        if len(parts) == 1:
            return parts[0]
        return tf.concat([tf.cast(part, call.dtype) for part in parts], axis=1)


class ESMM(MultiTaskModel):
    """Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate.

    Ma et al., SIGIR 2018 (arXiv:1804.07931). The logits are those of p(click) and of p(conversion | click); their
    product, equation 1, and its loss over all rows, equation 3, are the business of `easymtl.tasks.funnel`.
    """

    def __init__(
        self, build: Build, config: ESMMConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.groups = GroupNetworks(build, config.groups, group_widths)
        widths = dict.fromkeys(num_outputs, self.groups.width)
        towers = [config.ctr_tower, config.cvr_tower]
        self.towers = TaskTowers(build, towers, widths, num_outputs, group_widths, FUNNEL_NAMES)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = self.groups(groups, call)
        return self.towers(dict.fromkeys(self.towers.outputs, x), groups, call)
