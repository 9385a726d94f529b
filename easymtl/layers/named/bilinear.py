"""BiLinear: products of all pairs of fields with a matrix between them."""

from itertools import combinations

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, require_choice, vector
from easymtl.layers.vectors import equal_field_widths, field_list, field_widths
from easymtl.protos.backbone_pb2 import Bilinear

_TYPES = ("all", "each", "interaction")


class BiLinear(NamedLayer):
    """p_ij = (W v_i + b) · v_j for all i < j, then a dense layer (Huang et al. 2019, FiBiNET, equation 7).

    There is one W (`type: "all"`), one for each i (`each`), or one for each pair (`interaction`), which also takes
    fields of different widths. Without `use_plus` the components of the products are not added up.
    """

    def __init__(self, build: Build, name: str, config: Bilinear, inputs: Shape):
        super().__init__(build, name, config, inputs)
        widths = field_widths(inputs)
        self.is_summed, self.kind = config.use_plus, config.type
        self.pairs = list(combinations(range(len(widths)), 2))
        if self.kind == "all":
            layers = [("all", widths[0], widths[0])]
        elif self.kind == "each":
            layers = [(f"each_{i}", widths[i], widths[i]) for i in range(len(widths) - 1)]
        else:
            layers = [(f"interaction_{i}_{j}", widths[i], widths[j]) for i, j in self.pairs]
        self.dense = [
            Dense(build, f"{name}/{path}", width, outputs, is_regularized=False) for path, width, outputs in layers
        ]
        num_products = len(self.pairs) if self.is_summed else sum(widths[j] for _, j in self.pairs)
        self.output = Dense(build, f"{name}/output", num_products, config.num_output_units, is_regularized=False)

    @staticmethod
    def shape(config: Bilinear, inputs: Shape) -> Shape:
        """Returns `[batch, num_output_units]`."""
        require_choice(config.type, "type", _TYPES)
        if config.type == "interaction":
            field_widths(inputs, least=2)
        else:
            equal_field_widths(inputs, least=2)
        if not config.num_output_units:
            raise ShapeFault("needs num_output_units, the width of its result, for example num_output_units: 64")
        return vector(config.num_output_units)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, or `[batch, fields, width]`, to `[batch, num_output_units]`."""
        fields = field_list(x, call.dtype)
        products = self._of_pairs(fields, call) if self.kind == "interaction" else self._of_fields(fields, call)
        return self.output(products, call)

    def _of_pairs(self, fields: list[tf.Tensor], call: Call) -> tf.Tensor:
        products = [dense(fields[i], call) * fields[j] for dense, (i, j) in zip(self.dense, self.pairs, strict=True)]
        if self.is_summed:
            products = [tf.reduce_sum(product, axis=1, keepdims=True) for product in products]
        return tf.concat(products, axis=1)

    def _of_fields(self, fields: list[tf.Tensor], call: Call) -> tf.Tensor:
        right = tf.stack(fields, axis=1)
        if self.kind == "all":
            left = self.dense[0](right[:, :-1], call)
        else:
            left = tf.stack([dense(field, call) for dense, field in zip(self.dense, fields[:-1], strict=True)], axis=1)
        if self.is_summed:
            # All products of [batch, fields - 1, width] and [batch, fields, width]; the pairs are picked from them.
            square = tf.reshape(tf.matmul(left, right, transpose_b=True), [-1, (len(fields) - 1) * len(fields)])
            return tf.gather(square, [i * len(fields) + j for i, j in self.pairs], axis=1)
        products = tf.gather(left, [i for i, _ in self.pairs], axis=1) * tf.gather(
            right, [j for _, j in self.pairs], axis=1
        )
        return tf.reshape(products, [-1, len(self.pairs) * fields[0].shape[-1]])
