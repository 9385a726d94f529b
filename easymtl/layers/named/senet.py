"""SENet: weights for fields by squeeze and excitation."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.initializers import glorot_normal, he_normal
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.norm import LayerNorm
from easymtl.layers.shapes import Shape, ShapeFault, vector
from easymtl.layers.vectors import field_list, field_widths
from easymtl.protos.backbone_pb2 import SENet as SENetConfig


class SENet(NamedLayer):
    """LN(x ∘ w + x), w = W2 relu(W1 z) (Huang et al. 2019, FiBiNET, equations 2 to 4; FiBiNet++ 2022).

    z holds for each field the maxima of its `num_squeeze_group` groups of components, then their means. There is a
    weight for each component.
    """

    def __init__(self, build: Build, name: str, config: SENetConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.num_groups, self.has_skip = config.num_squeeze_group, config.use_skip_connection
        widths = field_widths(inputs)
        width, num_squeezed = sum(widths), 2 * self.num_groups * len(widths)
        num_hidden = max(1, num_squeezed // config.reduction_ratio)
        self.squeeze = Dense(build, f"{name}/W1", num_squeezed, num_hidden, initializer=he_normal, is_regularized=False)
        self.excite = Dense(build, f"{name}/W2", num_hidden, width, initializer=glorot_normal, is_regularized=False)
        self.norm = LayerNorm(build, f"{name}/output_ln", width) if config.use_output_layer_norm else None

    @staticmethod
    def shape(config: SENetConfig, inputs: Shape) -> Shape:
        """Returns `[batch, sum of the widths]`."""
        widths = field_widths(inputs)
        if not config.reduction_ratio:
            raise ShapeFault("has reduction_ratio 0; it divides a width, so it must be 1 or more")
        if not config.num_squeeze_group:
            raise ShapeFault("has num_squeeze_group 0; it must be 1 or more")
        odd = [width for width in widths if width % config.num_squeeze_group]
        if odd:
            text = f"splits each field into num_squeeze_group {config.num_squeeze_group} equal groups"
            raise ShapeFault(f"{text}, but is given a field of width {odd[0]}")
        return vector(sum(widths))

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, or `[batch, fields, width]`, to `[batch, sum of the widths]`."""
        fields = field_list(x, call.dtype)
        squeezed = []
        for field in fields:
            groups = tf.reshape(field, [-1, self.num_groups, field.shape[-1] // self.num_groups])
            squeezed += [tf.reduce_max(groups, axis=-1), tf.reduce_mean(groups, axis=-1)]
        weights = self.excite(tf.nn.relu(self.squeeze(tf.concat(squeezed, axis=1), call)), call)
        joined = tf.concat(fields, axis=1)
        result = joined * weights
        if self.has_skip:
            result += joined
        return result if self.norm is None else self.norm(result, call)
