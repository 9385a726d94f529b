"""A bottom that all tasks share beside one of each task's own."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from easymtl.extend import INPUT_GROUP, Build, Call, Dense, Experts, MultiTaskModel, TaskTowers


class TwoWay(MultiTaskModel):
    """z_t = s_t * own_t(x) + (1 - s_t) * shared(x).

    s_t is `own_share`, or with `join` gate the sigmoid of a dense layer over x, one for each unit.
    """

    def __init__(self, build: Build, config: Any, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]):
        super().__init__(build, config, group_widths, num_outputs)
        names = ["two_way/shared", *(f"two_way/own_{task}" for task in num_outputs)]
        width = group_widths[INPUT_GROUP]
        self.bottoms = Experts(build, names, width, [config.bottom_dnn] * len(names))
        self.own_share = config.own_share
        self.gates: dict[str, Dense] = {}
        if config.join == "gate":
            self.gates = {task: Dense(build, f"two_way/gate_{task}", width, self.bottoms.width) for task in num_outputs}
        widths = dict.fromkeys(num_outputs, self.bottoms.width)
        self.towers = TaskTowers(build, config.task_towers, widths, num_outputs, group_widths)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = groups[INPUT_GROUP]
        shared, *own = tf.unstack(self.bottoms(x, call), axis=1)
        joined = {}
        for task, z in zip(self.towers.outputs, own):
            share = tf.sigmoid(self.gates[task](x, call)) if self.gates else self.own_share
            joined[task] = share * z + (1.0 - share) * shared
        return self.towers(joined, groups, call)
