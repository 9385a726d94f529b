"""TextCNN: convolutions over the steps of a history."""

import tensorflow as tf

from easymtl.layers import text_cnn
from easymtl.layers.context import Build, Call
from easymtl.layers.histories import history_of, history_shape
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, Value, vector
from easymtl.protos.backbone_pb2 import TextCNN as TextCNNConfig


class TextCNN(NamedLayer):
    """Convolutions of several sizes, the maximum of each over the history, and an MLP; see `layers.text_cnn`."""

    def __init__(self, build: Build, name: str, config: TextCNNConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.layer = text_cnn.TextCNN(build, name, config, history_shape(inputs).width)

    @staticmethod
    def shape(config: TextCNNConfig, inputs: Shape) -> Shape:
        """Returns `[batch, width of the MLP or sum of num_filters]`."""
        history_shape(inputs)
        return vector(text_cnn.text_cnn_width(config))

    def __call__(self, x: Value, call: Call) -> tf.Tensor:
        """Maps (history, lengths) to `[batch, width]`."""
        return self.layer(history_of(x)[0], call)
