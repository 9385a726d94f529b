"""MaskBlock and MaskNet: layers whose input is masked by what another layer makes of it."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.initializers import he_uniform
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.norm import LayerNorm
from easymtl.layers.shapes import Shape, ShapeFault, require_vector, vector
from easymtl.layers.vectors import require_pair
from easymtl.protos.backbone_pb2 import MaskBlock as MaskBlockConfig
from easymtl.protos.backbone_pb2 import MaskNet as MaskNetConfig


class MaskBlock(NamedLayer):
    """x ∘ W relu(V m), with `output_size` also relu(LN(U ·)) (Wang et al. 2021, MaskNet, equations 5 to 8).

    It takes the list (x, m), or one tensor that is both. With `projection_dim` m passes a linear layer first.
    """

    def __init__(self, build: Build, name: str, config: MaskBlockConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        width, num_mask = _widths(inputs)
        size = _aggregation_size(config, num_mask)
        self.input_norm = LayerNorm(build, f"{name}/input_ln", width) if config.input_layer_norm else None
        self.projection: Dense | None = None
        if config.projection_dim:
            self.projection = Dense(build, f"{name}/project", num_mask, config.projection_dim, has_bias=False)
            num_mask = config.projection_dim
        self.aggregation = Dense(build, f"{name}/aggregation", num_mask, size, initializer=he_uniform)
        self.weights = Dense(build, f"{name}/weights", size, width, is_regularized=False)
        self.output: Dense | None = None
        if config.output_size:
            self.output = Dense(
                build, f"{name}/output", width, config.output_size, has_bias=False, is_regularized=False
            )
            self.output_norm = LayerNorm(build, f"{name}/output_ln", config.output_size)

    @staticmethod
    def shape(config: MaskBlockConfig, inputs: Shape) -> Shape:
        """Returns `[batch, output_size]`, or the width of x where there is none."""
        width, num_mask = _widths(inputs)
        _aggregation_size(config, num_mask)
        return vector(config.output_size or width)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]` and `[batch, mask width]`, or one tensor, to `[batch, output_size]`."""
        masked, mask = x if isinstance(x, list | tuple) else (x, x)
        masked = tf.cast(masked, call.dtype)
        if self.input_norm is not None:
            masked = self.input_norm(masked, call)
        if self.projection is not None:
            mask = self.projection(mask, call)
        result = masked * self.weights(tf.nn.relu(self.aggregation(mask, call)), call)
        if self.output is None:
            return result
        return tf.nn.relu(self.output_norm(self.output(result, call), call))


class MaskNet(NamedLayer):
    """Mask blocks beside each other or one above the other, then an MLP (Wang et al. 2021, MaskNet, section 3.4)."""

    def __init__(self, build: Build, name: str, config: MaskNetConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        num_inputs = require_vector(inputs)
        self.is_parallel = config.use_parallel
        self.input_norm = LayerNorm(build, f"{name}/input_ln", num_inputs) if config.input_layer_norm else None
        self.blocks: list[MaskBlock] = []
        width = num_inputs
        for index, block in enumerate(config.mask_blocks):
            shapes: Shape = [vector(num_inputs if self.is_parallel else width), vector(num_inputs)]
            self.blocks.append(MaskBlock(build, f"{name}/block_{index}", block, shapes))
            width = block.output_size or width
        self.mlp: MLP | None = None
        if config.HasField("mlp"):
            self.mlp = MLP(build, f"{name}/mlp", _blocks_width(config, num_inputs), config.mlp)

    @staticmethod
    def shape(config: MaskNetConfig, inputs: Shape) -> Shape:
        """Returns `[batch, width]` of the MLP, or of the blocks."""
        num_inputs = require_vector(inputs)
        if not config.mask_blocks:
            raise ShapeFault("needs mask_blocks { aggregation_size: ... output_size: ... }, one or more")
        for index, block in enumerate(config.mask_blocks):
            try:
                _aggregation_size(block, num_inputs)
            except ShapeFault as fault:
                raise ShapeFault(f"mask_blocks[{index}] {fault}") from None
        width = _blocks_width(config, num_inputs)
        return vector(mlp_width(config.mlp, "mlp") if config.HasField("mlp") else width)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, width of the MLP or of the blocks]`."""
        x = tf.cast(x, call.dtype)
        if self.input_norm is not None:
            x = self.input_norm(x, call)
        result = x
        if self.is_parallel:
            result = tf.concat([block([x, x], call) for block in self.blocks], axis=1)
        else:
            for block in self.blocks:
                result = block([result, x], call)
        return result if self.mlp is None else self.mlp(result, call)


def _widths(inputs: Shape) -> tuple[int, int]:
    if isinstance(inputs, list | tuple):
        return require_pair(inputs)
    width = require_vector(inputs)
    return width, width


def _aggregation_size(config: MaskBlockConfig, num_mask: int) -> int:
    if config.HasField("reduction_factor") == config.HasField("aggregation_size"):
        what = "has both" if config.HasField("reduction_factor") else "has none of"
        raise ShapeFault(
            f"{what} aggregation_size and reduction_factor; give one of them: the width of its mask network"
        )
    size = config.aggregation_size or int(config.reduction_factor * num_mask)
    if size < 1:
        field = "aggregation_size" if config.HasField("aggregation_size") else "reduction_factor"
        raise ShapeFault(f"has {field} {getattr(config, field):g}, which leaves its mask network no width")
    return size


def _blocks_width(config: MaskNetConfig, num_inputs: int) -> int:
    widths = [block.output_size for block in config.mask_blocks]
    if config.use_parallel:
        return sum(width or num_inputs for width in widths)
    return next((width for width in reversed(widths) if width), num_inputs)
