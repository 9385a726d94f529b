"""A sum of inputs whose weights another block gives."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, ShapeFault, describe, vector
from easymtl.layers.vectors import field_list, field_widths
from easymtl.protos.backbone_pb2 import WeightedGate


class Gate(NamedLayer):
    """sum_j w_j x_j, where the list holds w `[batch, n]` at `weight_index` and n tensors x_j; then an MLP.

    The weights are used as they are: where they are to sum to 1, the block that gives them ends in a softmax.
    """

    def __init__(self, build: Build, name: str, config: WeightedGate, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.index = config.weight_index
        self.mlp: MLP | None = None
        if config.HasField("mlp"):
            self.mlp = MLP(build, f"{name}/top_mlp", _width(config, inputs), config.mlp)

    @staticmethod
    def shape(config: WeightedGate, inputs: Shape) -> Shape:
        """Returns `[batch, width]` of the tensors that are added up, or of the MLP."""
        width = _width(config, inputs)
        return vector(mlp_width(config.mlp, "mlp") if config.HasField("mlp") else width)

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, n]` and n times `[batch, width]` to `[batch, width]`."""
        tensors = field_list(x, call.dtype)
        weights = tensors.pop(self.index)
        result = tf.add_n([weights[:, place : place + 1] * tensor for place, tensor in enumerate(tensors)])
        return result if self.mlp is None else self.mlp(result, call)


def _width(config: WeightedGate, inputs: Shape) -> int:
    if not isinstance(inputs, list | tuple):
        raise ShapeFault(f"takes a list: weights [batch, n] and n tensors, but is given {describe(inputs)}")
    widths = field_widths(inputs, least=2)
    if config.weight_index >= len(widths):
        raise ShapeFault(
            f"has weight_index {config.weight_index}, but its list has {len(widths)} values; 0 is the first"
        )
    num_weights = widths.pop(config.weight_index)
    if num_weights != len(widths):
        raise ShapeFault(
            f"takes a weight for each tensor, but is given {num_weights} weights for {len(widths)} tensors"
        )
    if len(set(widths)) > 1:
        raise ShapeFault(f"adds up tensors of one width, but is given widths {', '.join(map(str, widths))}")
    return widths[0]
