"""The two sides of CMBF: tokens of images, and tokens of general features and texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from easymtl.config.modalities import ModalityShapes, image_width, text_width
from easymtl.layers.context import Build, Call
from easymtl.layers.modalities import Modalities, Projection, all_exist
from easymtl.layers.tokens import TokenEmbedding, first_if_none, token_types, within_positions
from easymtl.layers.transformer import Encoder, EncoderSizes
from easymtl.protos.model_pb2 import CMBFTower

_WIDENING = 4
"""How much wider the layer between two others is."""


class ImageTower(tf.Module):
    """An encoder over images: several features, the patches of one, or each number of one.

    Attributes:
        width: of a token.
    """

    def __init__(self, build: Build, config: CMBFTower, shapes: ModalityShapes):
        super().__init__()
        [inputs, *others] = shapes.image
        self.num_layers = config.image_self_attention_layer_num
        self.width = image_width(config)
        self.num_patches = config.image_feature_patch_num if self.num_layers and not others else 1
        self.numbers: tf.Variable | None = None
        outputs = self.width
        if self.num_layers and not others and self.num_patches == 1:
            outputs = config.image_feature_dim or inputs
            self.project = Projection(build, "img_projection", inputs, outputs)
            self.numbers = build.weight("img_map_matrix", [1, outputs, self.width])
        else:
            self.project = Projection(build, "img_projection", inputs // self.num_patches, outputs)
        self.encoder = Encoder(build, "image_self_attention", _sizes(config, self.width, self.num_layers))

    def __call__(self, images: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Maps vectors, each `[batch, width of a feature]`, to tokens `[batch, tokens, width]`."""
        tokens = tf.stack(list(images), axis=1)
        if self.numbers is not None:
            numbers = self.project(tokens[:, 0], call)
            tokens = numbers[:, :, tf.newaxis] * tf.cast(self.numbers, call.dtype)
        else:
            patches = tf.reshape(tokens, [-1, len(images) * self.num_patches, tokens.shape[2] // self.num_patches])
            tokens = self.project(patches, call)
        return self.encoder(tokens, None, call)


class TextTower(tf.Module):
    """An encoder over general features, one token each, and the steps of texts.

    Attributes:
        width: of a token.
    """

    def __init__(self, build: Build, config: CMBFTower, shapes: ModalityShapes):
        super().__init__()
        self.width = text_width(config)
        self.limit = config.max_position_embeddings if config.use_position_embeddings else 0
        self.of_general: Projection | None = None
        if shapes.general:
            self.of_general = Projection(build, "txt_projection", shapes.general[0], self.width)
        types = token_types(build, len(shapes.text), self.width) if config.use_token_type and shapes.text else None
        self.of_texts: list[Projection] = []
        self.texts: list[TokenEmbedding] = []
        for index, inputs in enumerate(shapes.text.values()):
            self.of_texts.append(Projection(build, f"txt_seq_projection_{index}", inputs, self.width))
            kind = None if types is None else (types, index)
            rate = config.text_seq_emb_dropout_prob
            name = f"position_embeddings_{index}"
            self.texts.append(TokenEmbedding(build, name, self.width, self.limit, rate, kind))
        layers = config.text_self_attention_layer_num
        self.encoder = Encoder(build, "text_self_attention", _sizes(config, self.width, layers))

    def read(self, x: Modalities, call: Call) -> TextTokens:
        """Maps features to tokens."""
        texts = [
            within_positions(text.rectangle(), self.limit, f"bottom_cmbf: {name}") for name, text in x.text.items()
        ]
        tokens = [] if self.of_general is None else [self.of_general(tf.stack(list(x.general), axis=1), call)]
        for text, project, embed in zip(texts, self.of_texts, self.texts, strict=True):
            tokens.append(embed(project(text.values, call), call))
        mask = None
        if texts:
            exist = all_exist(tf.shape(tokens[0])[0], len(x.general))
            mask = first_if_none(tf.concat([exist, *(text.mask() for text in texts)], axis=1))
        encoded = self.encoder(tf.concat(tokens, axis=1), mask, call)
        lengths, longest = tuple(text.lengths for text in texts), tuple(text.longest for text in texts)
        return TextTokens(encoded, mask, len(x.general), lengths, longest)


@dataclass(frozen=True)
class TextTokens:
    """General features and texts as tokens.

    Attributes:
        tokens: `[batch, tokens, width]`: of the general features, then the steps of each text, padded.
        mask: bool `[batch, tokens]`, which of them exist; None means all.
        num_general: how many general features there are.
        lengths: of each text, int32 `[batch]`.
        longest: of each text, its steps with the padding, a scalar.
    """

    tokens: tf.Tensor
    mask: tf.Tensor | None
    num_general: int
    lengths: tuple[tf.Tensor, ...]
    longest: tuple[tf.Tensor, ...]

    def replaced(self, tokens: tf.Tensor) -> TextTokens:
        """Returns the same with other vectors."""
        return replace(self, tokens=tokens)

    def pooled(self) -> list[tf.Tensor]:
        """Returns the general tokens side by side, and the mean of each text, each `[batch, ..]`, float32."""
        tokens = tf.cast(self.tokens, tf.float32)
        sizes = [self.num_general, *self.longest]
        general, *texts = tf.split(tokens, sizes, axis=1, num=len(sizes))
        parts = [tf.reshape(general, [-1, self.num_general * tokens.shape[-1]])] if self.num_general else []
        for text, lengths in zip(texts, self.lengths, strict=True):
            exist = tf.sequence_mask(lengths, tf.shape(text)[1], tf.float32)[:, :, tf.newaxis]
            number = tf.cast(lengths, tf.float32)[:, tf.newaxis]
            parts.append(tf.math.divide_no_nan(tf.reduce_sum(text * exist, axis=1), number))
        return parts


def _sizes(config: CMBFTower, width: int, num_layers: int) -> EncoderSizes:
    rates = config.hidden_dropout_prob, config.attention_probs_dropout_prob
    return EncoderSizes(width, num_layers, config.multi_head_num, _WIDENING * width, "gelu", *rates)
