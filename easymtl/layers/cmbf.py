"""CMBF: attention over images, over texts, and between the two."""

import tensorflow as tf

from easymtl.config.modalities import ModalityShapes, cmbf_faults
from easymtl.layers.cmbf_towers import ImageTower, TextTower
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dropout
from easymtl.layers.modalities import Modalities, OtherFeatures, joined, require_none
from easymtl.layers.norm import LayerNorm
from easymtl.layers.transformer import EPSILON, AttentionHeads, EncoderSizes, FeedForward
from easymtl.protos.model_pb2 import CMBFTower

_WIDENING = 4
"""How much wider the layer between two others is."""


class CMBF(tf.Module):
    """[mean image token, general tokens, mean token of each text, other features] (Chen et al. 2021, CMBF, figure 2).

    Images attend to images, general features and texts to each other; then, if there are both, each side to the other.
    A text without steps has the mean 0.

    Attributes:
        width: of the result.
    """

    def __init__(self, build: Build, config: CMBFTower, shapes: ModalityShapes):
        """Makes the weights, named as EasyRec names them: `image_self_attention_layer_<i>/..` and others.

        Args:
            build: seed and norms of the layers.
            config: of the network.
            shapes: of what it reads.

        Raises:
            ShapeFault: see `check_cmbf`.
        """
        super().__init__()
        check_cmbf(config, shapes)
        self.image = ImageTower(build, config, shapes) if shapes.image else None
        self.text = TextTower(build, config, shapes) if shapes.general or shapes.text else None
        of_image, of_text = self.image.width if self.image else 0, self.text.width if self.text else 0
        self.cross: list[tuple[_CrossLayer, _CrossLayer]] = []
        if self.image and self.text:
            for index in range(config.cross_modal_layer_num):
                layers = _cross_layers(build, config, index, (of_image, of_text))
                self.cross.append(layers)
                of_image, of_text = layers[0].width, layers[1].width
        dnn = config.other_feature_dnn if config.HasField("other_feature_dnn") else None
        self.other = OtherFeatures(build, shapes.other, dnn)
        self.width = of_image + (len(shapes.general) + len(shapes.text)) * of_text + self.other.width

    def __call__(self, x: Modalities, call: Call) -> tf.Tensor:
        """Maps features to `[batch, width]`, float32."""
        image = self.image(x.image, call) if self.image else None
        text = self.text.read(x, call) if self.text else None
        for of_image, of_text in self.cross:
            assert image is not None and text is not None
            # Both sides read what the layer before has given.
            tokens = of_image(image, text.tokens, None, text.mask, call)
            text = text.replaced(of_text(text.tokens, image, text.mask, None, call))
            image = tokens
        parts = [] if image is None else [tf.reduce_mean(tf.cast(image, tf.float32), axis=1)]
        parts += [] if text is None else text.pooled()
        return joined([*parts, *self.other(x.other, call)])


class _CrossLayer(tf.Module):
    """c = heads(own, other), a = LN(c + heads(c, c)), LN(a + dense(relu(dense(a))))."""

    def __init__(self, build: Build, name: str, config: CMBFTower, widths: tuple[int, int], head_size: int):
        super().__init__()
        heads, rate = config.multi_head_num, config.attention_probs_dropout_prob
        self.width = heads * head_size
        self.to_other = AttentionHeads(build, f"{name}/attention/cross", widths, heads, head_size, rate)
        own = (self.width, self.width)
        self.to_own = AttentionHeads(build, f"{name}/attention/self", own, heads, head_size, rate)
        self.dropout = Dropout(f"{name}/attention/output", config.hidden_dropout_prob)
        self.norm = LayerNorm(build, f"{name}/attention/output/LayerNorm", self.width, EPSILON)
        sizes = EncoderSizes(self.width, 1, heads, _WIDENING * self.width, "relu", config.hidden_dropout_prob, rate)
        self.forward = FeedForward(build, name, self.width, sizes)

    def __call__(
        self, own: tf.Tensor, other: tf.Tensor, own_mask: tf.Tensor | None, other_mask: tf.Tensor | None, call: Call
    ) -> tf.Tensor:
        seen = self.to_other(own, other, other_mask, call)
        attended = self.dropout(self.to_own(seen, seen, own_mask, call), call)
        return self.forward(self.norm(attended + seen, call), call)


def check_cmbf(config: CMBFTower, shapes: ModalityShapes) -> None:
    """Checks what a config says, and what the network is to read.

    Raises:
        ShapeFault: it cannot be built; the text goes on from the name of the network.
    """
    require_none(cmbf_faults(config, shapes))


def _cross_layers(
    build: Build, config: CMBFTower, index: int, widths: tuple[int, int]
) -> tuple[_CrossLayer, _CrossLayer]:
    left, right = f"left_to_right_cross_layer_{index}", f"right_to_left_cross_layer_{index}"
    return (
        _CrossLayer(build, left, config, widths, config.image_cross_head_size),
        _CrossLayer(build, right, config, widths[::-1], config.text_cross_head_size),
    )
