"""Attention: weighted sums of values by how well their keys match a query."""

import math

import tensorflow as tf

from easymtl.layers.attended import AttentionInputs, attention_shapes, check_attention, result_shape
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dropout
from easymtl.layers.mlp import require_rate
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, Value
from easymtl.protos.backbone_pb2 import Attention as AttentionConfig


class Attention(NamedLayer):
    """softmax(scores) V, as Keras has it: scores q·k (Luong et al. 2015), or w Σ tanh(scale (q + k)).

    Takes [query, value] or [query, value, key], each `[batch, items, width]` or a history; the padding of a history is
    not attended to.
    """

    def __init__(self, build: Build, name: str, config: AttentionConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.config = config
        self.factor = 1 / math.sqrt(attention_shapes(inputs).key.width) if config.scale_by_dim else 1.0
        self.scale = build.variable([f"{name}/scale"], tf.constant(1.0)) if config.use_scale else None
        self.weight: tf.Variable | None = None
        if config.score_mode == "concat":
            self.weight = build.variable([f"{name}/concat_score_weight"], tf.constant(1.0))
        self.dropout = Dropout(name, config.dropout)

    @staticmethod
    def shape(config: AttentionConfig, inputs: Shape) -> Shape:
        """Returns `[batch, items of the query, width of the values]`, or a history; with the scores a tuple."""
        shapes = attention_shapes(inputs)
        if config.score_mode not in ("dot", "concat"):
            raise ShapeFault(f'has score_mode "{config.score_mode}", which is none of dot, concat')
        if config.scale_by_dim and (config.use_scale or config.score_mode == "concat"):
            other = "use_scale" if config.use_scale else 'score_mode "concat"'
            raise ShapeFault(f"has scale_by_dim and {other}, of which only the latter would count; leave one out")
        require_rate(config.dropout, "dropout")
        if shapes.query.width != shapes.key.width:
            raise ShapeFault(f"takes queries as wide as keys, but is given {shapes.query.width} and {shapes.key.width}")
        check_attention(shapes, config.use_causal_mask)
        result = result_shape(shapes, shapes.value.width)
        return (result, shapes.scores()) if config.return_attention_scores else result

    def __call__(self, x: list[Value], call: Call) -> Value:
        """Maps [query, value(, key)] to a value of the declared shape."""
        inputs = AttentionInputs(x)
        query, value, key = (tf.cast(part, call.dtype) for part in inputs.tensors)
        weights = inputs.softmax(self._scores(query, key), self.config.use_causal_mask)
        result = inputs.like_query(tf.matmul(tf.cast(self.dropout(weights, call), call.dtype), value))
        return (result, weights) if self.config.return_attention_scores else result

    def _scores(self, query: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        scale = tf.cast(self.factor if self.scale is None else self.scale[0], tf.float32)
        if self.weight is None:
            return tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32) * scale
        sums = tf.cast(query[:, :, tf.newaxis] + key[:, tf.newaxis], tf.float32)
        return tf.reduce_sum(tf.tanh(sums * scale), axis=-1) * self.weight[0]
