"""The encoder of BERT (Devlin et al. 2019), and its layers that attend from one sequence of tokens to another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import tensorflow as tf

from easymtl.config.modalities import encoder_faults
from easymtl.layers.activation import make_block_activation
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense, Dropout
from easymtl.layers.initializers import truncated_normal
from easymtl.layers.norm import LayerNorm
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.backbone_pb2 import BSTEncoder
from easymtl.protos.model_pb2 import UniterTower

EPSILON = 1e-12
DEVIATION = 0.02
MASKED = 10000.0
"""Is taken off the scores of tokens that do not exist."""


@dataclass(frozen=True)
class EncoderSizes:
    """What the layers of an encoder have in common.

    Attributes:
        width: of a token, a multiple of `num_heads`.
        num_layers: how many layers there are.
        num_heads: of the attention.
        intermediate: width of the layer between two others.
        activation: of that layer.
        hidden_dropout: share of a layer's outputs that is dropped while training.
        attention_dropout: share of the attention weights that is dropped while training.
        deviation: of the initial kernels.
    """

    width: int
    num_layers: int
    num_heads: int
    intermediate: int
    activation: str
    hidden_dropout: float
    attention_dropout: float
    deviation: float = DEVIATION

    @classmethod
    def of(cls, config: BSTEncoder | UniterTower) -> EncoderSizes:
        """Returns the sizes that a config gives."""
        return cls(
            config.hidden_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            config.intermediate_size,
            config.hidden_act,
            config.hidden_dropout_prob,
            config.attention_probs_dropout_prob,
            config.initializer_range,
        )


def check_encoder(config: BSTEncoder | UniterTower) -> None:
    """Checks what a config says of an encoder.

    Raises:
        ShapeFault: it cannot be built; the text goes on from the name of the layer.
    """
    for text in encoder_faults(config):
        raise ShapeFault(text)


class AttentionHeads(tf.Module):
    """softmax(Q K' / √size) V of several heads side by side (Vaswani et al. 2017, section 3.2.2)."""

    def __init__(
        self,
        build: Build,
        name: str,
        widths: tuple[int, int],
        num_heads: int,
        head_size: int,
        dropout: float,
        deviation: float = DEVIATION,
    ):
        """Makes the weights `<name>/{query,key,value}/{kernel,bias}`.

        Args:
            build: takes the weights.
            name: of the layer.
            widths: of the tokens that attend, and of those that are attended to.
            num_heads: number of heads.
            head_size: width of the queries, keys and values of a head.
            dropout: share of the attention weights that is dropped while training.
            deviation: of the initial kernels.
        """
        super().__init__()
        self.num_heads, self.head_size = num_heads, head_size
        own, other = widths
        self.query, self.key, self.value = (
            _dense(build, f"{name}/{part}", width, num_heads * head_size, deviation)
            for part, width in (("query", own), ("key", other), ("value", other))
        )
        self.dropout = Dropout(f"{name}/probabilities", dropout)

    def __call__(self, own: tf.Tensor, other: tf.Tensor, mask: tf.Tensor | None, call: Call) -> tf.Tensor:
        """Maps tokens to what they attend to, `[batch, own tokens, num_heads * head_size]`.

        Args:
            own: `[batch, own tokens, width]`.
            other: `[batch, other tokens, width]`.
            mask: bool `[batch, other tokens]`, which of them exist; None means all.
            call: how the model is run.
        """
        query, key, value = (
            self._heads(self.query(own, call)),
            self._heads(self.key(other, call)),
            self.value(other, call),
        )
        scores = tf.matmul(query, key, transpose_b=True) / tf.cast(math.sqrt(self.head_size), query.dtype)
        weights = tf.nn.softmax(_without(tf.cast(scores, tf.float32), mask))
        attended = tf.matmul(tf.cast(self.dropout(weights, call), call.dtype), self._heads(value))
        joined = tf.transpose(attended, [0, 2, 1, 3])
        return tf.reshape(joined, tf.concat([tf.shape(joined)[:2], [self.num_heads * self.head_size]], axis=0))

    def _heads(self, x: tf.Tensor) -> tf.Tensor:
        """Maps `[batch, tokens, num_heads * head_size]` to `[batch, num_heads, tokens, head_size]`."""
        shape = tf.concat([tf.shape(x)[:2], [self.num_heads, self.head_size]], axis=0)
        return tf.transpose(tf.reshape(x, shape), [0, 2, 1, 3])


class Encoder(tf.Module):
    """Layers of self-attention: a = LN(x + dense(heads(x))), LN(a + dense(act(dense(a))))."""

    def __init__(self, build: Build, name: str, sizes: EncoderSizes):
        """Makes the weights `<name>_layer_<i>/..`."""
        super().__init__()
        self.layers = [_EncoderLayer(build, f"{name}_layer_{index}", sizes) for index in range(sizes.num_layers)]

    def __call__(self, x: tf.Tensor, mask: tf.Tensor | None, call: Call) -> tf.Tensor:
        """Maps tokens `[batch, tokens, width]` to the same shape; none attends to one that the mask leaves out.

        Args:
            x: `[batch, tokens, width]`.
            mask: bool `[batch, tokens]`, which tokens exist; None means all.
            call: how the model is run.
        """
        x = tf.cast(x, call.dtype)
        for layer in self.layers:
            x = layer(x, mask, call)
        return x


class _EncoderLayer(tf.Module):
    def __init__(self, build: Build, name: str, sizes: EncoderSizes):
        super().__init__()
        width, deviation = sizes.width, sizes.deviation
        head_size = width // sizes.num_heads
        self.heads = AttentionHeads(
            build,
            f"{name}/attention/self",
            (width, width),
            sizes.num_heads,
            head_size,
            sizes.attention_dropout,
            deviation,
        )
        self.dense = _dense(build, f"{name}/attention/output/dense", width, width, deviation)
        self.dropout = Dropout(f"{name}/attention/output", sizes.hidden_dropout)
        self.norm = LayerNorm(build, f"{name}/attention/output/LayerNorm", width, EPSILON)
        self.forward = FeedForward(build, name, width, sizes)

    def __call__(self, x: tf.Tensor, mask: tf.Tensor | None, call: Call) -> tf.Tensor:
        attended = self.dense(self.heads(x, x, mask, call), call)
        return self.forward(self.norm(x + self.dropout(attended, call), call), call)


class FeedForward(tf.Module):
    """LN(x + dense(act(dense(x)))): the second half of a layer."""

    def __init__(self, build: Build, name: str, width: int, sizes: EncoderSizes):
        """Makes the weights `<name>/intermediate/dense/..` and `<name>/output/{dense,LayerNorm}/..`."""
        super().__init__()
        self.wide = _dense(build, f"{name}/intermediate/dense", width, sizes.intermediate, sizes.deviation)
        self.activation = make_block_activation(build, f"{name}/intermediate/act", sizes.activation, sizes.intermediate)
        self.narrow = _dense(build, f"{name}/output/dense", sizes.intermediate, width, sizes.deviation)
        self.dropout = Dropout(f"{name}/output", sizes.hidden_dropout)
        self.norm = LayerNorm(build, f"{name}/output/LayerNorm", width, EPSILON)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, tokens, width]` to the same shape."""
        hidden = self.narrow(self.activation(self.wide(x, call), call), call)
        return self.norm(x + self.dropout(hidden, call), call)


def _without(scores: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns scores `[batch, heads, own tokens, other tokens]` that leave out what the mask does.

    Where it leaves out all, the weights are those of the scores as they were.
    """
    if mask is None:
        return scores
    return scores - MASKED * tf.cast(tf.logical_not(mask), tf.float32)[:, tf.newaxis, tf.newaxis, :]


def _dense(build: Build, name: str, num_inputs: int, num_outputs: int, deviation: float) -> Dense:
    initializer = truncated_normal(deviation)
    return Dense(build, name, num_inputs, num_outputs, initializer=initializer, is_regularized=False)
