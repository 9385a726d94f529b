"""From the steps of a history to one vector: `sequence_combiner` of a SequenceFeature."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Steps
from easymtl.layers.text_cnn import TextCNN, text_cnn_width
from easymtl.protos.feature_pb2 import SequenceCombiner


class AttentionCombiner(tf.Module):
    """Σ_t a_t e_t, a = softmax of w·e_t over the steps of a row; rows without steps have the sum 0."""

    def __init__(self, build: Build, name: str, width: int):
        """Makes the weight `<name>/attention/kernel`, `[width, 1]`."""
        super().__init__()
        self.width = width
        self.dense = Dense(build, f"{name}/attention", width, 1, has_bias=False)

    def __call__(self, steps: Steps, call: Call) -> tf.Tensor:
        """Maps a history to `[batch, width]`, float32."""
        steps = steps.segments() if call.training else steps
        weights = steps.softmax(self.dense(steps.flat, call))[:, tf.newaxis]
        return steps.sum(weights * tf.cast(steps.flat, tf.float32))


Combiner = AttentionCombiner | TextCNN


def make_combiner(build: Build, name: str, config: SequenceCombiner, width: int) -> Combiner:
    """Makes the layer that maps a history to one vector `[batch, layer.width]`.

    Args:
        build: takes the weights.
        name: of the feature's column, such as `clicks_embedding`: the scope of the weights.
        config: what the feature says.
        width: of a step.

    Raises:
        ShapeFault: see `combined_width`.
    """
    combined_width(config, width)
    if config.HasField("attention"):
        return AttentionCombiner(build, name, width)
    return TextCNN(build, f"{name}/{name.rpartition('/')[2]}_text_cnn", config.text_cnn, width)


def combined_width(config: SequenceCombiner, width: int) -> int:
    """Returns the width of the vector that a history of steps of some width becomes.

    Raises:
        ShapeFault: the combiner cannot be built; the text goes on from `sequence_combiner`.
    """
    kind = config.WhichOneof("combiner")
    if kind == "attention":
        return width
    if kind == "text_cnn":
        return text_cnn_width(config.text_cnn)
    raise ShapeFault(f"{f'is {kind}' if kind else 'is empty'}; use attention {{ }} or text_cnn {{ .. }}")
