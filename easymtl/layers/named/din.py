"""DIN: attention of a target over a history."""

import math

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.histories import history_of, history_shape
from easymtl.layers.match import Match
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, Value, vector
from easymtl.layers.steps import Steps
from easymtl.protos.backbone_pb2 import DINEncoder
from easymtl.protos.layer_pb2 import MLP as MLPConfig

_LAST = {"use_final_bn": False, "final_activation": "linear", "use_final_bias": True}
"""How the layer that gives the scores is, whatever the config's defaults are."""


class DIN(NamedLayer):
    """[Σ_t a_t h_t, q] with scores mlp([q, h_t, q - h_t, q∘h_t]) (Zhou et al. 2018, equation 3).

    The scores become the weights a by softmax over the steps of a row, or each alone by sigmoid(score / √width). A
    narrow query is padded with zeros to the width of the history; the sum is then cut to the width that it had.
    """

    def __init__(self, build: Build, name: str, config: DINEncoder, inputs: Shape):
        super().__init__(build, name, config, inputs)
        shape = history_shape(inputs, takes_query=True)
        assert shape.query is not None
        self.is_softmax, self.has_query = config.attention_normalizer == "softmax", config.need_target_feature
        self.query_width, self.padding = shape.query, shape.width - shape.query
        self.mlp = MLP(
            build,
            f"{name}/din_attention",
            4 * shape.width,
            _with_linear_end(config.attention_dnn),
            may_be_empty=True,
            first=Match,
        )

    @staticmethod
    def shape(config: DINEncoder, inputs: Shape) -> Shape:
        """Returns `[batch, width of the query (+ width of a step)]`."""
        shape = history_shape(inputs, takes_query=True)
        if shape.query is None:
            raise ShapeFault("needs a target: put the features of the candidate into the group of the history")
        if shape.query > shape.width:
            raise ShapeFault(
                f"is given a target of width {shape.query} and a history of width {shape.width}; the target must not "
                "be wider: leave features out of it, or give the histories a larger embedding_dim"
            )
        if config.attention_normalizer not in ("softmax", "sigmoid"):
            raise ShapeFault(
                f'has attention_normalizer "{config.attention_normalizer}", which is none of softmax, sigmoid'
            )
        _check_layers(config.attention_dnn)
        return vector(shape.query + (shape.width if config.need_target_feature else 0))

    def __call__(self, x: Value, call: Call) -> tf.Tensor:
        """Maps (history, lengths, query `[batch, width]`) to `[batch, width]`, float32."""
        history, query = history_of(x)
        if call.training:  # A norm must not see padding.
            history = history.segments()
        if self.padding:
            query = tf.pad(query, [[0, 0], [0, self.padding]])
        weights = self._weights(history, self.mlp((query, history), call))[:, tf.newaxis]
        attended = history.sum(weights * tf.cast(history.flat, tf.float32))[:, : self.query_width]
        return tf.concat([attended, tf.cast(query, tf.float32)], axis=1) if self.has_query else attended

    def _weights(self, history: Steps, scores: tf.Tensor) -> tf.Tensor:
        if self.is_softmax:
            return history.softmax(scores)
        return tf.sigmoid(tf.cast(tf.reshape(scores, [-1]), tf.float32) / math.sqrt(history.width))


def _with_linear_end(config: MLPConfig) -> MLPConfig:
    copy = MLPConfig()
    copy.CopyFrom(config)
    for field, value in _LAST.items():
        setattr(copy, field, value)
    return copy


def _check_layers(config: MLPConfig) -> None:
    mlp_width(config, "attention_dnn")
    units = list(config.hidden_units)
    if units[-1] != 1:
        raise ShapeFault(f"has attention_dnn.hidden_units {units}; the last one gives the score of a step and is 1")
    for field, value in _LAST.items():
        if config.HasField(field) and getattr(config, field) != value:
            raise ShapeFault(
                f"sets attention_dnn.{field}; the layer that gives the scores is linear, with a bias and without a "
                "norm: leave it out"
            )
