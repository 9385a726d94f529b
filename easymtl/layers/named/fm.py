"""Products of all pairs of fields, added up."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, vector
from easymtl.layers.vectors import equal_field_widths, field_matrix
from easymtl.protos.backbone_pb2 import FM as FMConfig


class FM(NamedLayer):
    """Half of (sum of the vectors)² - sum of their squares: all pairs at once (Rendle 2010, lemma 3.1).

    The components are added up too, unless `use_variant` keeps them.
    """

    def __init__(self, build: Build, name: str, config: FMConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.is_vector = config.use_variant

    @staticmethod
    def shape(config: FMConfig, inputs: Shape) -> Shape:
        """Returns `[batch, 1]`, or `[batch, width]` with use_variant."""
        _, width = equal_field_widths(inputs, least=2)
        return vector(width if config.use_variant else 1)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, or `[batch, fields, width]`, to `[batch, 1]` or `[batch, width]`."""
        # The difference of two sums would lose most digits of a bfloat16.
        fields = field_matrix(x, tf.float32)
        pairs = 0.5 * (tf.square(tf.reduce_sum(fields, axis=1)) - tf.reduce_sum(tf.square(fields), axis=1))
        return tf.cast(pairs if self.is_vector else tf.reduce_sum(pairs, axis=1, keepdims=True), call.dtype)
