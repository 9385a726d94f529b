"""AITMTower: attention of a task to what the tasks before it hand on."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, require_vector, vector
from easymtl.layers.vectors import field_list, field_widths
from easymtl.protos.backbone_pb2 import AITMTower as AITMTowerConfig

_PARTS = ("query", "key", "value")


class AITMTower(NamedLayer):
    """Attention over the task's own tower, first in the list, and those before it (Xi et al. 2021, AITM, equation 6).

    Others than the own tower pass `stop_gradient` and one MLP. softmax_i(q_0 · k_i / sqrt(width)) weighs the values
    v_i; q, k and v are dense layers for each i. A single tensor passes: the first task has nothing to attend to.
    """

    def __init__(self, build: Build, name: str, config: AITMTowerConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.stops_gradient = config.stop_gradient
        self.dense: list[dict[str, Dense]] = []
        self.mlp: MLP | None = None
        if not isinstance(inputs, list | tuple):
            return
        widths = field_widths(inputs)
        if config.HasField("transfer_mlp") and len(widths) > 1:
            self.mlp = MLP(build, f"{name}/transfer", widths[1], config.transfer_mlp)
            widths = [widths[0], *[self.mlp.width] * (len(widths) - 1)]
        self.width = config.project_dim or widths[0]
        for index, num_inputs in enumerate(widths):
            paths = {part: f"{name}/{part}_{index}" for part in _PARTS}
            self.dense.append(
                {part: Dense(build, path, num_inputs, self.width, is_regularized=False) for part, path in paths.items()}
            )

    @staticmethod
    def shape(config: AITMTowerConfig, inputs: Shape) -> Shape:
        """Returns `[batch, project_dim]`, or the width of the own tower where there is none."""
        if not isinstance(inputs, list | tuple):
            return vector(require_vector(inputs))
        own, *others = field_widths(inputs)
        if config.HasField("transfer_mlp"):
            mlp_width(config.transfer_mlp, "transfer_mlp")
            if len(set(others)) > 1:
                text = f"hands the towers after the first one to one transfer_mlp, but they have widths {others}"
                raise ShapeFault(text)
        return vector(config.project_dim or own)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, the own tower first, to `[batch, project_dim]`."""
        if not self.dense:
            return x
        own, *others = field_list(x, call.dtype)
        if self.stops_gradient:
            others = [tf.stop_gradient(other) for other in others]
        if self.mlp is not None:
            others = [self.mlp(other, call) for other in others]
        towers = [own, *others]
        query = self.dense[0]["query"](own, call)
        keys = tf.stack([dense["key"](tower, call) for dense, tower in zip(self.dense, towers, strict=True)], axis=1)
        values = tf.stack(
            [dense["value"](tower, call) for dense, tower in zip(self.dense, towers, strict=True)], axis=1
        )
        scores = tf.reduce_sum(tf.cast(keys, tf.float32) * tf.cast(query, tf.float32)[:, tf.newaxis, :], axis=-1)
        shares = tf.nn.softmax(scores / self.width**0.5)  # [batch, towers]
        return tf.reduce_sum(values * tf.cast(shares, values.dtype)[:, :, tf.newaxis], axis=1)
