"""Deep Bayesian multi-task learning: towers that read the towers they depend on."""

from collections.abc import Mapping
from typing import cast

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.models.base import INPUT_GROUP, MultiTaskModel, TaskTowers, TowerNames
from easymtl.models.inputs import Inputs, InputShapes
from easymtl.models.mmoe import MixtureOfExperts
from easymtl.models.modal_bottom import ModalBottom, has_modal_bottom
from easymtl.protos.model_pb2 import DBMTL as DBMTLConfig

_NAMES = TowerNames(dnn="{task}/dnn", output="{task}/output")


class DBMTL(MultiTaskModel):
    """DBMTL: a bottom network, optional experts, a tower per task, relation network, output layers.

    Deep Bayesian Multi-Target Learning for Recommender Systems (Wang et al., 2019, arXiv:1902.09154).
    """

    def __init__(
        self, build: Build, config: DBMTLConfig, group_widths: Mapping[str, int], num_outputs: Mapping[str, int]
    ):
        super().__init__(build, config, group_widths, num_outputs)
        self.modal = ModalBottom(build, config, cast(InputShapes, group_widths)) if has_modal_bottom(config) else None
        width = self.modal.width if self.modal else group_widths[INPUT_GROUP]
        self.bottom = DNN(build, "bottom_dnn", width, config.bottom_dnn) if config.HasField("bottom_dnn") else None
        width = self.bottom.width if self.bottom else width
        experts = [config.expert_dnn] * config.num_expert if config.HasField("expert_dnn") else []
        self.mixture = MixtureOfExperts(build, config, width, experts, list(num_outputs)) if experts else None
        widths = dict.fromkeys(num_outputs, self.mixture.width if self.mixture else width)
        self.towers = TaskTowers(
            build, config.task_towers, widths, num_outputs, group_widths, _NAMES, concat_relations=True
        )

    def __call__(self, groups: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
        """Maps groups `[batch, width]` to logits `[batch, num_outputs]` by tower name."""
        x = self.modal(cast(Inputs, groups), call) if self.modal else groups[INPUT_GROUP]
        if self.bottom:
            x = self.bottom(x, call)
        inputs = self.mixture(x, call) if self.mixture else dict.fromkeys(self.towers.outputs, x)
        return self.towers(inputs, groups, call)
