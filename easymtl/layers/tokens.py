"""Tokens of an encoder: vectors that are told apart by where they stand and of which kind they are."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dropout
from easymtl.layers.initializers import truncated_normal
from easymtl.layers.norm import LayerNorm
from easymtl.layers.steps import Rectangle
from easymtl.layers.transformer import DEVIATION, EPSILON


class TokenEmbedding(tf.Module):
    """LN(x + type + position) of tokens of one kind, then dropout (Devlin et al. 2019, figure 2)."""

    def __init__(
        self,
        build: Build,
        name: str,
        width: int,
        num_positions: int,
        dropout: float,
        token_type: tuple[tf.Variable, int] | None = None,
    ):
        """Makes the weights `position_embedding/<name>` and `LayerNorm[_<i>]/..`, numbered over the whole model.

        Args:
            build: takes the weights.
            name: of the positions.
            width: of a token.
            num_positions: rows of the table of positions; 0 means that positions do not count.
            dropout: share of the outputs that is dropped while training.
            token_type: the table of types `[types, width]`, and the type of these tokens.
        """
        super().__init__()
        self.token_type = token_type
        self.positions: tf.Variable | None = None
        if num_positions:
            initializer = truncated_normal(DEVIATION)
            self.positions = build.weight(f"position_embedding/{name}", [num_positions, width], initializer)
        self.norm = LayerNorm(build, build.numbered("LayerNorm"), width, EPSILON)
        self.dropout = Dropout(f"position_embedding/{name}", dropout)

    def __call__(self, x: tf.Tensor, call: Call, positions: tf.Tensor | None = None) -> tf.Tensor:
        """Maps tokens `[batch, tokens, width]` to the same shape.

        Args:
            x: the tokens; there are no more than positions.
            call: how the model is run.
            positions: int32 `[tokens]`, the place of each; None numbers them from 0 on.
        """
        if self.token_type is not None:
            table, number = self.token_type
            x += tf.cast(table[number], x.dtype)
        if self.positions is not None:
            places = tf.range(tf.shape(x)[1]) if positions is None else positions
            # The reshape makes the gradient of the table a dense one.
            table = tf.reshape(self.positions, self.positions.shape)
            x += tf.cast(tf.gather(table, places), x.dtype)
        return self.dropout(self.norm(x, call), call)


def first_if_none(mask: tf.Tensor) -> tf.Tensor:
    """Returns a mask of tokens, bool `[batch, tokens]`, to which the first token of rows without any is added.

    Attention that may go nowhere goes everywhere: to as much padding as the batch of the row happens to have.
    """
    is_empty = tf.logical_not(tf.reduce_any(mask, axis=1, keepdims=True))
    return tf.concat([mask[:, :1] | is_empty, mask[:, 1:]], axis=1)


def token_types(build: Build, num_types: int, width: int) -> tf.Variable:
    """Makes the table `token_type/token_type_embeddings`, `[num_types, width]`."""
    return build.weight("token_type/token_type_embeddings", [num_types, width], truncated_normal(DEVIATION))


def within_positions(steps: Rectangle, num_positions: int, subject: str) -> Rectangle:
    """Returns the same steps with no more padding than the longest row needs, once that row is known to have places.

    Args:
        steps: of a history.
        num_positions: the most steps there can be; 0 means any number.
        subject: of the sentence that says what is wrong.

    Raises:
        InvalidArgumentError: in the graph; a row has more steps.
    """
    longest = tf.reduce_max(tf.concat([[1], steps.lengths], axis=0))
    if num_positions:
        text = (
            f"{subject} has more steps than max_position_embeddings {num_positions}. Set max_seq_len: {num_positions} "
            "in the feature_config of the history, or raise max_position_embeddings."
        )
        with tf.device("/CPU:0"):  # Its message is a text, which no GPU has a kernel for.
            is_short = tf.debugging.assert_less_equal(longest, num_positions, message=text)
        with tf.control_dependencies([] if is_short is None else [is_short]):
            longest = tf.identity(longest)
    return Rectangle(steps.values[:, :longest], steps.lengths)
