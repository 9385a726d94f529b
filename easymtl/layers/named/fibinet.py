"""FiBiNet: weighted fields beside the products of their pairs."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.mlp import MLP, mlp_width
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.named.bilinear import BiLinear
from easymtl.layers.named.senet import SENet
from easymtl.layers.shapes import Shape, ShapeFault, require_vector, vector
from easymtl.protos.backbone_pb2 import FiBiNet as FiBiNetConfig


class FiBiNet(NamedLayer):
    """[SENet(x), BiLinear(x)], then an MLP if there is one (Huang et al. 2019, FiBiNET).

    Its weights are `<name>/<block>/{senet,bilinear,mlp}/..`.
    """

    def __init__(self, build: Build, name: str, config: FiBiNetConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        path = f"{name}/{name.rpartition('/')[2]}"
        self.senet = SENet(build, f"{path}/senet", config.senet, inputs)
        self.bilinear = BiLinear(build, f"{path}/bilinear", config.bilinear, inputs)
        self.mlp = MLP(build, f"{path}/mlp", _width(config, inputs), config.mlp) if config.HasField("mlp") else None

    @staticmethod
    def shape(config: FiBiNetConfig, inputs: Shape) -> Shape:
        """Returns `[batch, width]` of the MLP, or of both parts together."""
        width = _width(config, inputs)
        return vector(mlp_width(config.mlp, "mlp") if config.HasField("mlp") else width)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps a list of `[batch, width]`, or `[batch, fields, width]`, to `[batch, width]`."""
        result = tf.concat([self.senet(x, call), self.bilinear(x, call)], axis=1)
        return result if self.mlp is None else self.mlp(result, call)


def _width(config: FiBiNetConfig, inputs: Shape) -> int:
    weighted = require_vector(SENet.shape(config.senet, inputs))
    try:
        return weighted + require_vector(BiLinear.shape(config.bilinear, inputs))
    except ShapeFault as fault:
        raise ShapeFault(f"bilinear {{ }} {fault}") from None
