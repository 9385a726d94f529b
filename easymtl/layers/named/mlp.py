"""MLP: a stack of dense layers."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import History, Shape
from easymtl.layers.steps import Steps
from easymtl.layers.vectors import on_vectors, vector_width, with_width
from easymtl.protos.layer_pb2 import MLP as MLPConfig


class MLPLayer(NamedLayer):
    """`layers.mlp.MLP` over the last axis of a tensor, or over each step of a history: `[.., width]` in and out."""

    def __init__(self, build: Build, name: str, config: MLPConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.mlp = MLP(build, name, vector_width(inputs), config, may_be_empty=isinstance(inputs, History))

    @staticmethod
    def shape(config: MLPConfig, inputs: Shape) -> Shape:
        """Returns the shape of the input with the width of the last layer."""
        vector_width(inputs)
        return with_width(inputs, mlp_width(config))

    def __call__(self, x: tf.Tensor | Steps, call: Call) -> tf.Tensor | Steps:
        """Maps `[batch, ..., inputs]` to `[batch, ..., hidden_units[-1]]`, or so the steps of a history."""
        return on_vectors(x, lambda vectors: self.mlp(vectors, call), call)
