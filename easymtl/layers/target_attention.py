"""Attention of a target over histories: what `sequence_features` adds to a feature group (Zhou et al. 2018, DIN)."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.match import Match
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Steps, alike, joined
from easymtl.protos.feature_pb2 import SeqAttGroupConfig
from easymtl.protos.layer_pb2 import DNN as DNNConfig

DEFAULT_UNITS = (128, 64, 32, 1)


class TargetAttention(tf.Module):
    """Σ_t a_t h_t with a = softmax of dnn([q, h_t, q - h_t, q∘h_t]) over the steps of a row (DIN, equation 3).

    The query q is the keys of all maps side by side, h the histories of all maps. Further histories are summed with the
    same a. Rows without steps have the sum 0. Batch norm in the DNN counts the steps that exist, never padding.
    """

    def __init__(
        self,
        build: Build,
        config: SeqAttGroupConfig,
        key_widths: Sequence[int],
        history_widths: Sequence[int],
        aux_widths: Sequence[int] = (),
    ):
        """Makes the weights: `seq_dnn<group_name>/dnn_<i>/..` and those of the transforms.

        Args:
            build: seed and norms of the layers.
            config: of the sequence group.
            key_widths: of the keys of all its maps, in their order.
            history_widths: of the histories of all its maps.
            aux_widths: of the further histories of all its maps.

        Raises:
            ShapeFault: see `attention_width`.
        """
        super().__init__()
        self.width = attention_width(config, key_widths, history_widths, aux_widths)
        self.has_query = config.need_key_feature
        query_width, history_width = sum(key_widths), sum(history_widths)
        self.padding = 0
        self.of_query: Dense | None = None
        self.of_history: Dense | None = None
        name = f"seq_dnn{config.group_name}"
        if query_width < history_width and not config.transform_dnn:
            self.padding = history_width - query_width
        elif query_width != history_width:
            self.of_query = _transform(build, f"sequence_key_transform_layer_{name}", query_width, history_width)
            self.of_history = _transform(build, f"sequence_fea_transform_layer_{name}", history_width, history_width)
        layers, inputs = _layers(config), 4 * history_width
        self.dnn = DNN(build, name, inputs, layers, first=Match, is_last_linear=True, may_be_empty=True)

    def __call__(
        self, keys: Sequence[tf.Tensor], histories: Sequence[Steps], aux: Sequence[Steps], call: Call
    ) -> tf.Tensor:
        """Maps vectors and steps to `[batch, width]`, float32.

        Args:
            keys: the keys, each `[batch, width]`.
            histories: at least one; all have the same lengths.
            aux: further histories of these lengths.
            call: how the model is run.

        Returns:
            The attended histories, each of `aux`, and the query, as it was padded or transformed, side by side.
        """
        query = tf.concat(keys, axis=1)
        # A norm must not see padding, and its gradient must not reach the weights: training computes on segments.
        parts = [part.segments() for part in (*histories, *aux)] if call.training else alike([*histories, *aux])
        history = joined(parts[: len(histories)])
        if self.padding:
            query = tf.pad(query, [[0, 0], [0, self.padding]])
        if self.of_query and self.of_history:
            query = self.of_query(query, call)
            history = history.replaced(self.of_history(history.flat, call))
        weights = history.softmax(self.dnn((query, history), call))[:, tf.newaxis]
        attended = [part.sum(weights * tf.cast(part.flat, tf.float32)) for part in (history, *parts[len(histories) :])]
        return tf.concat([*attended, tf.cast(query, tf.float32)] if self.has_query else attended, axis=1)


def attention_width(
    config: SeqAttGroupConfig, key_widths: Sequence[int], history_widths: Sequence[int], aux_widths: Sequence[int] = ()
) -> int:
    """Returns the width of the result.

    Raises:
        ShapeFault: there is no key or no history, their widths differ and must not, or the DNN does not end in one
            unit; the text goes on from the name of the group.
    """
    query_width, history_width = sum(key_widths), sum(history_widths)
    for width, field in ((query_width, "key"), (history_width, "hist_seq")):
        if not width:
            raise ShapeFault(f"has no {field} in any seq_att_map")
    if query_width != history_width and not config.allow_key_transform:
        raise ShapeFault(
            f"has keys of width {query_width} and histories of width {history_width}; "
            "make their embedding_dim equal, or set allow_key_transform: true"
        )
    units = list(_layers(config).hidden_units)
    if units[-1:] != [1]:
        raise ShapeFault(f"has seq_dnn.hidden_units {units}; the last one gives the score of a step and is 1")
    return history_width + sum(aux_widths) + (history_width if config.need_key_feature else 0)


def _layers(config: SeqAttGroupConfig) -> DNNConfig:
    return config.seq_dnn if config.HasField("seq_dnn") else DNNConfig(hidden_units=DEFAULT_UNITS)


def _transform(build: Build, name: str, num_inputs: int, num_outputs: int) -> Dense:
    return Dense(build, name, num_inputs, num_outputs, is_regularized=False)
