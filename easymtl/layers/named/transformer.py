"""TransformerBlock, TransformerEncoder and TextEncoder: attention over items, over ids, and over texts."""

import tensorflow as tf

from easymtl.layers import multi_head
from easymtl.layers.attended import AttentionShapes, Items
from easymtl.layers.context import Build, Call
from easymtl.layers.multi_head import check_transformer
from easymtl.layers.named.base import NamedLayer
from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value, describe, vector
from easymtl.layers.steps import Rectangle, Steps
from easymtl.layers.text import TextEncoding
from easymtl.layers.token_encoder import TokenEncoder
from easymtl.protos.backbone_pb2 import TextEncoder as TextEncoderConfig
from easymtl.protos.backbone_pb2 import Transformer

_OF_ENCODERS = ("vocab_size", "num_hidden_layers", "max_position_embeddings", "output_all_token_embeddings")


class TransformerBlock(NamedLayer):
    """One block of attention and dense layers (Vaswani et al. 2017, section 3.1).

    Takes (items `[batch, items, hidden_size]`, mask `[batch, items]`), or a history, whose padding it masks.
    """

    def __init__(self, build: Build, name: str, config: Transformer, inputs: Shape):
        super().__init__(build, name, config, inputs)
        items = _masked_items(inputs)
        self.block = multi_head.TransformerBlock(build, name, config, AttentionShapes(items, items, items))

    @staticmethod
    def shape(config: Transformer, inputs: Shape) -> Shape:
        """Returns the shape of the items."""
        items = _masked_items(inputs)
        check_transformer(config)
        if items.width != config.hidden_size:
            raise ShapeFault(f"has hidden_size {config.hidden_size}, but is given items of width {items.width}")
        for field in _OF_ENCODERS:
            if config.HasField(field):
                raise ShapeFault(f"sets {field}, which only a TransformerEncoder has; leave it out")
        return History(items.width) if items.is_history else Array((None, items.number, items.width))

    def __call__(self, x: Value, call: Call) -> Value:
        """Maps (items, mask), or a history, to items."""
        items, *masks = x if isinstance(x, list | tuple) else [x]
        if isinstance(items, Steps):
            rectangle = items.rectangle()
            return Rectangle(self.block(rectangle.values, rectangle.mask(), call), rectangle.lengths)
        return self.block(items, tf.cast(masks[0], tf.bool), call)


class TransformerEncoder(NamedLayer):
    """Ids as vectors with sines and cosines of their places, and blocks of attention; see `layers.token_encoder`.

    Takes (ids, mask), both `[batch, tokens]`: whole numbers from 0 to `vocab_size` - 1, others count as 0, and which of
    them exist.
    """

    def __init__(self, build: Build, name: str, config: Transformer, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.encoder = TokenEncoder(build, name, config, config.vocab_size, config.output_all_token_embeddings)

    @staticmethod
    def shape(config: Transformer, inputs: Shape) -> Shape:
        """Returns `[batch, tokens, hidden_size]`, or of the first token alone `[batch, hidden_size]`."""
        parts = list(inputs) if isinstance(inputs, list | tuple) else []
        if len(parts) != 2 or not all(_is_matrix(part) for part in parts) or parts[0].sizes != parts[1].sizes:  # type: ignore[union-attr]
            raise ShapeFault(f"takes [ids, mask], both [batch, tokens], but is given {describe(inputs)}")
        if not config.vocab_size:
            raise ShapeFault("needs vocab_size, the number of ids")
        TokenEncoder.check(config)
        number = parts[0].sizes[1]  # type: ignore[union-attr]
        if number is not None and number > config.max_position_embeddings:
            limit = config.max_position_embeddings
            raise ShapeFault(f"is given {number} tokens, more than max_position_embeddings {limit}")
        all_tokens = Array((None, number, config.hidden_size))
        return all_tokens if config.output_all_token_embeddings else vector(config.hidden_size)

    def __call__(self, x: list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps (ids, mask), both `[batch, tokens]`, to a tensor of the declared shape."""
        ids, mask = x
        return self.encoder(tf.cast(ids, tf.int64), tf.cast(mask, tf.bool), call)


class TextEncoder(NamedLayer):
    """The encoded "[CLS] a [SEP] b [SEP]" of one or more texts of a row; see `layers.text` for its tokens.

    Takes texts `[batch]` or `[batch, 1]`, one or a list, as raw_input gives them.
    """

    def __init__(self, build: Build, name: str, config: TextEncoderConfig, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.text = TextEncoding(config)
        scope = f"{name}/transformer"
        self.encoder = TokenEncoder(build, scope, config.transformer, self.text.vocab_size, gives_all=False)

    @staticmethod
    def shape(config: TextEncoderConfig, inputs: Shape) -> Shape:
        """Returns `[batch, hidden_size]`."""
        parts = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if not parts or not all(_is_text(part) for part in parts):
            raise ShapeFault(f"takes texts, one for each row, as raw_input gives them, but is given {describe(inputs)}")
        TextEncoding.check(config)
        TokenEncoder.check(config.transformer)
        if (
            config.transformer.HasField("output_all_token_embeddings")
            and config.transformer.output_all_token_embeddings
        ):
            raise ShapeFault(
                "sets transformer.output_all_token_embeddings, but texts have different numbers of tokens: leave it out"
            )
        return vector(config.transformer.hidden_size)

    def __call__(self, x: tf.Tensor | list[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps texts to `[batch, hidden_size]`."""
        texts = list(x) if isinstance(x, list | tuple) else [x]
        ids, mask = self.text(texts, self.encoder.limit)
        return self.encoder(ids, mask, call)


def _masked_items(shape: Shape) -> Items:
    parts: list[Shape] = list(shape) if isinstance(shape, list | tuple) else [shape]
    first = parts[0] if parts else None
    if isinstance(first, History) and len(parts) <= 2:
        return Items(None, first.width, is_history=True)
    is_tensor = isinstance(first, Array) and len(first.sizes) == 3 and first.dtype != tf.string
    if is_tensor and len(parts) == 2 and _is_matrix(parts[1]):
        return Items(first.sizes[1], first.width, is_history=False)  # type: ignore[union-attr]
    text = "takes [items, mask], [batch, items, width] and [batch, items], or a history"
    raise ShapeFault(f"{text}, but is given {describe(shape)}")


def _is_matrix(shape: Shape) -> bool:
    return isinstance(shape, Array) and len(shape.sizes) == 2 and shape.dtype != tf.string


def _is_text(shape: Shape) -> bool:
    return isinstance(shape, Array) and shape.dtype == tf.string and shape.sizes in ((None,), (None, 1))
