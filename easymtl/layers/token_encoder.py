"""Ids of tokens encoded: vectors, places, blocks of attention."""

import numpy as np
import tensorflow as tf

from easymtl.layers.attended import AttentionShapes, Items
from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dropout
from easymtl.layers.initializers import uniform
from easymtl.layers.multi_head import TransformerBlock, check_transformer
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.backbone_pb2 import Transformer

_SPREAD = 0.05
_PERIODS = 10000.0


class TokenEncoder(tf.Module):
    """Blocks over √width E[id] + [sin, cos](place / 10000^(2i / width)) (Vaswani et al. 2017, sections 3.4 and 3.5).

    Attributes:
        limit: the most tokens that a row can have.
    """

    def __init__(self, build: Build, name: str, config: Transformer, vocab_size: int, gives_all: bool):
        """Makes the weights `<name>/pos_embedding/embedding/embeddings` and `<name>/layer_<i>/..`.

        Args:
            build: takes the weights.
            name: of the layer.
            config: `check` has accepted it.
            vocab_size: number of ids.
            gives_all: whether all tokens are the result, or the first one alone.
        """
        super().__init__()
        self.width, self.limit, self.gives_all = config.hidden_size, config.max_position_embeddings, gives_all
        path = f"{name}/pos_embedding"
        self.table = build.weight(f"{path}/embedding/embeddings", [vocab_size, self.width], uniform(_SPREAD))
        self.dropout = Dropout(path, config.hidden_dropout_prob)
        items = Items(None, self.width, is_history=False)
        shapes = AttentionShapes(items, items, items)
        self.blocks = [
            TransformerBlock(build, f"{name}/layer_{index}", config, shapes) for index in range(_num_layers(config))
        ]

    @staticmethod
    def check(config: Transformer) -> None:
        """Checks what a config says of an encoder of tokens.

        Raises:
            ShapeFault: it cannot be built; the text goes on from the name of the layer.
        """
        check_transformer(config)
        if config.hidden_size % 2:
            raise ShapeFault(
                f"has hidden_size {config.hidden_size}; half of it are sines and half cosines: make it even"
            )
        if not config.max_position_embeddings:
            raise ShapeFault("has max_position_embeddings 0; it is the most tokens that a row can have")

    def __call__(self, ids: tf.Tensor, mask: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps tokens to `[batch, tokens, width]`, or of the first ones to `[batch, width]`.

        Args:
            ids: int64 `[batch, tokens]`; those that are no rows of the table count as 0.
            mask: bool `[batch, tokens]`, which tokens exist.
            call: how the model is run.
        """
        is_row = (ids >= 0) & (ids < self.table.shape[0])
        # The reshape makes the gradient of the table a dense one.
        vectors = tf.gather(tf.reshape(self.table, self.table.shape), tf.where(is_row, ids, tf.zeros_like(ids)))
        places = _places(self.limit, self.width)[: tf.shape(ids)[1]]
        x = self.dropout(vectors * self.width**0.5 + places, call)
        for block in self.blocks:
            x = block(x, mask, call)
        return x if self.gives_all else x[:, 0]


def _num_layers(config: Transformer) -> int:
    return config.num_hidden_layers if config.HasField("num_hidden_layers") else 1


def _places(number: int, width: int) -> tf.Tensor:
    """Returns float32 `[number, width]`: sines, then cosines, of the places in ever longer periods."""
    angles = np.arange(number)[:, np.newaxis] / _PERIODS ** (np.arange(width // 2) / (width // 2))
    return tf.constant(np.concatenate([np.sin(angles), np.cos(angles)], axis=1), tf.float32)
