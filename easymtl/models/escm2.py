"""Entire space counterfactual multi-task model: ESMM, and a tower that imputes conversions nobody saw."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.config.names import IMPUTATION
from easymtl.layers.context import Build, Call
from easymtl.models.base import MultiTaskModel, TaskTowers
from easymtl.models.esmm import FUNNEL_NAMES, GroupNetworks
from easymtl.protos.model_pb2 import ESCM2 as ESCM2Config
from easymtl.protos.task_pb2 import TaskTower


class ESCM2(MultiTaskModel):
    """ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate Estimation.

    Wang et al., SIGIR 2022 (arXiv:2204.05125). The network of ESMM; with DR there is an imputation tower too, whose
    logit is no task of its own: `easymtl.tasks.counterfactual` alone reads it. The risks are there as well.
    """

    def __init__(
        self, build: Build, config: ESCM2Config, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.groups = GroupNetworks(build, config.groups, group_widths)
        towers = [config.ctr_tower, config.cvr_tower]
        if config.counterfactual == ESCM2Config.DR:
            towers.append(_imputation_tower(config))
            num_outputs = {**num_outputs, towers[-1].tower_name: 1}
        widths = {tower.tower_name: self.groups.width for tower in towers}
        self.towers = TaskTowers(build, towers, widths, num_outputs, group_widths, FUNNEL_NAMES)

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name, `<cvr>_imputation` included."""
        x = self.groups(groups, call)
        return self.towers(dict.fromkeys(self.towers.outputs, x), groups, call)


def _imputation_tower(config: ESCM2Config) -> TaskTower:
    """Returns a tower that reads what the conversion tower reads, with layers of its own."""
    tower = TaskTower(tower_name=config.cvr_tower.tower_name + IMPUTATION, feature_group=config.cvr_tower.feature_group)
    source = config if config.HasField("imputation_dnn") else config.cvr_tower
    field = "imputation_dnn" if config.HasField("imputation_dnn") else "dnn"
    if source.HasField(field):
        tower.dnn.CopyFrom(getattr(source, field))
    return tower
