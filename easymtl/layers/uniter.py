"""UNITER: one encoder over images, general features and texts."""

import tensorflow as tf

from easymtl.config.modalities import ModalityShapes, uniter_faults
from easymtl.layers.context import Build, Call
from easymtl.layers.modalities import Modalities, OtherFeatures, Projection, all_exist, joined, require_none
from easymtl.layers.tokens import TokenEmbedding, token_types, within_positions
from easymtl.layers.transformer import Encoder, EncoderSizes
from easymtl.protos.model_pb2 import UniterTower


class Uniter(tf.Module):
    """[the encoded CLS token, the other features] (Chen et al. 2020, UNITER, figure 1).

    Tokens are CLS, each image, each general feature and each step of each text; images and steps are numbered, and all
    but CLS bear their kind where there is more than one.

    Attributes:
        width: of the result.
    """

    def __init__(self, build: Build, config: UniterTower, shapes: ModalityShapes):
        """Makes the weights, named as EasyRec names them: `uniter_layer_<i>/..`, `cls_emb` and others.

        Args:
            build: seed and norms of the layers.
            config: of the network.
            shapes: of what it reads.

        Raises:
            ShapeFault: see `check_uniter`.
        """
        super().__init__()
        check_uniter(config, shapes)
        self.config, self.hidden = config, config.hidden_size
        self.other = OtherFeatures(build, shapes.other, _other_dnn(config))
        self.has_tokens = bool(shapes.image or shapes.general or shapes.text)
        self.width = self.other.width + (self.hidden if self.has_tokens else 0)
        if not self.has_tokens:
            return
        num_groups = sum(1 for one in (shapes.image, shapes.general, shapes.text) if one)
        has_types = num_groups > 1 or len(shapes.text) > 1 or len(shapes.image) > 1
        num_types = bool(shapes.image) + bool(shapes.general) + len(shapes.text)
        self.types = token_types(build, num_types, self.hidden) if has_types else None
        self.num_types = 0
        positions = config.max_position_embeddings if config.use_position_embeddings else 0
        if shapes.image:
            self.of_image = Projection(build, "img_projection", shapes.image[0], self.hidden)
            self.image = self._tokens(build, "img_position_embeddings", positions)
        if shapes.general:
            self.of_general = Projection(build, "txt_projection", shapes.general[0], self.hidden)
            self.general = self._tokens(build, "general", 0)
        self.of_texts, self.texts = [], []
        for index, width in enumerate(shapes.text.values()):
            self.of_texts.append(Projection(build, f"txt_seq_projection_{index}", width, self.hidden))
            self.texts.append(self._tokens(build, f"txt_position_embeddings_{index}", positions))
        self.cls = build.weight("cls_emb", [1, 1, self.hidden])
        self.encoder = Encoder(build, "uniter", EncoderSizes.of(config))

    def __call__(self, x: Modalities, call: Call) -> tf.Tensor:
        """Maps features to `[batch, width]`, float32."""
        others = self.other(x.other, call)
        if not self.has_tokens:
            return joined(others)
        tokens: list[tf.Tensor] = []
        masks: list[tf.Tensor] = []
        if x.image:
            tokens.append(self.image(self.of_image(tf.stack(x.image, axis=1), call), call))
        if x.general:
            tokens.append(self.general(self.of_general(tf.stack(x.general, axis=1), call), call))
        texts = {name: steps.rectangle() for name, steps in x.text.items()}
        limit = self.config.max_position_embeddings if self.config.use_position_embeddings else 0
        for (name, text), project, embed in zip(texts.items(), self.of_texts, self.texts, strict=True):
            text = within_positions(text, limit, f"bottom_uniter: {name}")
            tokens.append(embed(project(text.values, call), call))
            masks.append(text.mask())
        batch = tf.shape(tokens[0])[0]
        cls = tf.tile(tf.cast(self.cls, call.dtype), tf.stack([batch, 1, 1]))
        mask = tf.concat([all_exist(batch, 1 + len(x.image) + len(x.general)), *masks], axis=1)
        encoded = self.encoder(tf.concat([cls, *tokens], axis=1), mask, call)
        return joined([encoded[:, 0], *others])

    def _tokens(self, build: Build, name: str, positions: int) -> TokenEmbedding:
        kind = None if self.types is None else (self.types, self.num_types)
        self.num_types += 1
        return TokenEmbedding(build, name, self.hidden, positions, self.config.hidden_dropout_prob, kind)


def check_uniter(config: UniterTower, shapes: ModalityShapes) -> None:
    """Checks what a config says, and what the network is to read.

    Raises:
        ShapeFault: it cannot be built; the text goes on from the name of the network.
    """
    require_none(uniter_faults(config, shapes))


def _other_dnn(config: UniterTower):
    return config.other_feature_dnn if config.HasField("other_feature_dnn") else None
