"""BST: an encoder over a history and a target."""

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import Dense
from easymtl.layers.histories import history_of, history_shape
from easymtl.layers.named.base import NamedLayer, scope_of_block
from easymtl.layers.shapes import Shape, ShapeFault, Value, vector
from easymtl.layers.steps import Rectangle
from easymtl.layers.tokens import TokenEmbedding, first_if_none, within_positions
from easymtl.layers.transformer import Encoder, EncoderSizes, check_encoder
from easymtl.protos.backbone_pb2 import BSTEncoder

_PLACES = ("head", "tail", "ignore")


class BST(NamedLayer):
    """An encoder over the steps of a history, with the target before or behind them (Chen et al. 2019, BST, section 2).

    The result is the encoded target, or all tokens side by side. The target stands at position 0 or at that behind
    `max_position_embeddings` steps; without one the result is what stands at the last position for a step, which is
    padding in shorter histories. Nothing attends to padding, and no row depends on how long the others are.
    """

    def __init__(self, build: Build, name: str, config: BSTEncoder, inputs: Shape):
        super().__init__(build, name, config, inputs)
        shape = history_shape(inputs, takes_query=True)
        self.block, self.limit, self.hidden = name, config.max_position_embeddings, config.hidden_size
        self.is_head, self.gives_all = config.target_item_position == "head", config.output_all_token_embeddings
        self.has_query = _has_query(config, shape.query)
        self.num_tokens = _num_tokens(config, shape.query)
        scope = scope_of_block(build, name, _first_weight(config, shape.width))
        self.of_history = _projection(build, f"{scope}/seq_project", shape.width, self.hidden)
        self.of_query: Dense | None = None
        if self.has_query and shape.query is not None:
            self.of_query = _projection(build, f"{scope}/target_project", shape.query, self.hidden)
        positions = self.num_tokens if config.use_position_embeddings else 0
        self.tokens = TokenEmbedding(build, scope, self.hidden, positions, config.hidden_dropout_prob)
        self.encoder = Encoder(build, f"{scope}/transformer", EncoderSizes.of(config))

    @staticmethod
    def shape(config: BSTEncoder, inputs: Shape) -> Shape:
        """Returns `[batch, hidden_size]`, or `[batch, tokens * hidden_size]` with `output_all_token_embeddings`."""
        shape = history_shape(inputs, takes_query=True)
        check_encoder(config)
        if not config.max_position_embeddings:
            raise ShapeFault("has max_position_embeddings 0; it is the number of steps of the longest history")
        if config.target_item_position not in _PLACES:
            text = f'has target_item_position "{config.target_item_position}"'
            raise ShapeFault(f"{text}, which is none of {', '.join(_PLACES)}")
        return vector(
            config.hidden_size * (_num_tokens(config, shape.query) if config.output_all_token_embeddings else 1)
        )

    def __call__(self, x: Value, call: Call) -> tf.Tensor:
        """Maps (history, lengths[, query `[batch, width]`]) to `[batch, width]`."""
        history, query = history_of(x)
        values, mask, places = self._steps(history.rectangle())
        values = tf.cast(values, call.dtype)
        if self.of_history is not None:
            values = tf.nn.relu(self.of_history(values, call))
        if self.has_query or (self.gives_all and self.num_tokens > self.limit):
            target = self._target(query, tf.shape(values)[0], call)
            has_target = tf.fill(tf.stack([tf.shape(values)[0], 1]), self.has_query)
            # By position they have places 0, 1, .. or .., limit.
            first = (target, has_target, [0]) if self.is_head else (values, mask, places)
            second = (values, mask, places + 1) if self.is_head else (target, has_target, [self.limit])
            values, mask, places = (tf.concat(parts, axis=axis) for parts, axis in zip(zip(first, second), (1, 1, 0)))
        encoded = self.encoder(self.tokens(values, call, places), mask, call)
        if self.gives_all:
            return tf.reshape(encoded, [-1, self.num_tokens * self.hidden])
        return encoded[:, 0] if self.is_head else encoded[:, -1]

    def _steps(self, rectangle: Rectangle) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the steps `[batch, tokens, width]`, which of them exist, bool `[batch, tokens]`, and their places.

        They are padded to the limit if all are wanted. If the last one is, it stands last, whether it exists or not,
        and nothing attends to it there: where it exists it is among the others too. A row without steps attends to
        what is wanted of it, and not to as much padding as its batch happens to have.
        """
        rectangle = within_positions(rectangle, self.limit, f"{self.block}: a history")
        values, length = rectangle.values, self.limit if self.gives_all else rectangle.longest
        values = tf.pad(values, [[0, 0], [0, length - tf.shape(values)[1]], [0, 0]])
        mask, places = tf.sequence_mask(rectangle.lengths, length), tf.range(length)
        if self.gives_all or self.has_query:
            return values, mask, places
        if self.is_head:
            return values, first_if_none(mask), places
        is_empty = tf.equal(rectangle.lengths, 0)[:, tf.newaxis]
        padded = tf.pad(rectangle.values, [[0, 0], [0, tf.maximum(self.limit - rectangle.longest, 0)], [0, 0]])
        return (
            tf.concat([values, padded[:, self.limit - 1 : self.limit]], axis=1),
            tf.concat([mask, is_empty], axis=1),
            tf.concat([places, [self.limit - 1]], axis=0),
        )

    def _target(self, query: tf.Tensor | None, batch: tf.Tensor, call: Call) -> tf.Tensor:
        """Returns the token of the target, `[batch, 1, hidden]`; zeros where only its place is kept."""
        if not self.has_query:
            return tf.zeros(tf.stack([batch, 1, self.hidden]), call.dtype)
        token = tf.cast(query, call.dtype)
        token = token if self.of_query is None else tf.nn.relu(self.of_query(token, call))
        return token[:, tf.newaxis]


def _has_query(config: BSTEncoder, query: int | None) -> bool:
    return query is not None and config.target_item_position != "ignore"


def _num_tokens(config: BSTEncoder, query: int | None) -> int:
    has_place = config.reserve_target_position or _has_query(config, query)
    return config.max_position_embeddings + (1 if has_place else 0)


def _projection(build: Build, name: str, num_inputs: int, num_outputs: int) -> Dense | None:
    if num_inputs == num_outputs:
        return None
    return Dense(build, name, num_inputs, num_outputs, is_regularized=False)


def _first_weight(config: BSTEncoder, width: int) -> str:
    return "transformer_layer_0/attention/self/query/kernel" if width == config.hidden_size else "seq_project/kernel"
