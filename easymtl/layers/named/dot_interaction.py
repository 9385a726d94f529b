"""Dot products of all pairs of fields, one by one."""

import numpy as np
import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, vector
from easymtl.layers.vectors import equal_field_widths, field_matrix
from easymtl.protos.keras_pb2 import DotInteraction as DotInteractionConfig


class DotInteraction(NamedLayer):
    """v_i · v_j for all j < i, row by row (Naumov et al. 2019, DLRM, section 2.1.3).

    `self_interaction` adds the pairs j = i. With `skip_gather` the result has fields² places, and 0 at those of other
    pairs.
    """

    def __init__(self, build: Build, name: str, config: DotInteractionConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        num_fields, _ = equal_field_widths(inputs, least=2)
        is_wanted = np.tri(num_fields, k=0 if config.self_interaction else -1)
        self.mask = is_wanted.reshape(-1).astype(np.float32)
        self.places = None if config.skip_gather else np.flatnonzero(self.mask)

    @staticmethod
    def shape(config: DotInteractionConfig, inputs: Shape) -> Shape:
        """Returns `[batch, number of pairs]`, or `[batch, fields²]` with skip_gather."""
        num_fields, _ = equal_field_widths(inputs, least=2)
        if config.skip_gather:
            return vector(num_fields * num_fields)
        return vector(num_fields * (num_fields + (1 if config.self_interaction else -1)) // 2)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, or `[batch, fields, width]`, to `[batch, pairs]`."""
        fields = field_matrix(x, call.dtype)
        products = tf.reshape(tf.matmul(fields, fields, transpose_b=True), [-1, self.mask.size])
        if self.places is None:
            return products * tf.cast(self.mask, call.dtype)
        return tf.gather(products, self.places, axis=1)
