"""MultiHeadAttention: attention of several heads."""

from easymtl.layers import multi_head
from easymtl.layers.attended import attention_shapes, check_attention, result_shape
from easymtl.layers.context import Build, Call
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Shape, Value
from easymtl.protos.backbone_pb2 import MultiHeadAttention as MultiHeadConfig


class MultiHeadAttention(NamedLayer):
    """Attention of several heads; see `layers.multi_head`.

    Takes [query, value] or [query, value, key], each `[batch, items, width]` or a history; the padding of a history is
    not attended to.
    """

    def __init__(self, build: Build, name: str, config: MultiHeadConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.gives_scores = config.return_attention_scores
        self.layer = multi_head.MultiHeadAttention(build, name, config, attention_shapes(inputs))

    @staticmethod
    def shape(config: MultiHeadConfig, inputs: Shape) -> Shape:
        """Returns `[batch, items of the query, output_shape or width of the query]`; with the scores a tuple."""
        shapes = attention_shapes(inputs)
        multi_head.check_heads(config)
        check_attention(shapes, config.use_causal_mask)
        result = result_shape(shapes, config.output_shape or shapes.query.width)
        return (result, shapes.scores(config.num_heads)) if config.return_attention_scores else result

    def __call__(self, x: list[Value], call: Call) -> Value:
        """Maps [query, value(, key)] to a value of the declared shape."""
        result, scores = self.layer(x, call)
        return (result, scores) if self.gives_scores else result
