"""What scores rows: the protocol, and the weights of a ranker."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.features.embeddings import Lookup
from easymtl.features.encoder import KEEP_PREFIX, Encoder, batch_signature, to_tensors
from easymtl.features.growing.unseen import UnseenIds
from easymtl.features.labels import NumbersEncoder
from easymtl.features.numbers import NumberColumn
from easymtl.layers.context import Call
from easymtl.layers.gate_weights import GateWeights
from easymtl.layers.views import Views
from easymtl.scoring.gate_tally import GateTally
from easymtl.scoring.pass_losses import BatchLosses, has_wide_losses
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.reach import EACH_ROW
from easymtl.tasks.sums import Sum

Scores = dict[str, np.ndarray]
RowLookup = Callable[[Mapping[str, tf.Tensor]], Mapping[int, Lookup]]


class Scorer(Protocol):
    """Something that scores rows: the weights of a model in training, or a SavedModel.

    Attributes:
        number_columns: labels and weights that rows come with.
        looks_up_together: whether all workers have to score at once, also those that have no rows.
        unseen: counts ids without a row in growing tables, where an encoder cannot tell: those that are dealt out.
    """

    number_columns: Sequence[NumberColumn]
    looks_up_together: bool
    unseen: UnseenIds | None

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> NumbersEncoder:
        """Returns what turns record batches into the rows that `score` takes, `keep` fields handed on."""

    def score(self, rows: Rows) -> tuple[Scores, BatchLosses | None]:
        """Returns predictions by name, and what the rows add to the losses; None where it cannot tell that."""


class RankerScorer:
    """Scores with the weights that a ranker has at the time; the graph is traced once.

    The transform and the graph are those of the exported form.
    """

    def __init__(
        self,
        ranker: Ranker,
        dtype: tf.DType,
        lookup: RowLookup | None = None,
        is_traced: bool = True,
        gates: GateTally | None = None,
    ):
        """Traces nothing yet.

        Args:
            ranker: what scores.
            dtype: the precision of activations.
            lookup: of the rows that are scored with; None for those of the tables.
            is_traced: whether there is a graph; what scores a single batch is done sooner op by op.
            gates: takes what gates weight their experts with; None does not look.
        """
        self.number_columns: Sequence[NumberColumn] = ranker.number_columns
        self.looks_up_together = ranker.embeddings.are_dealt_out
        self.unseen = UnseenIds() if ranker.feature_set.growing.are_dealt_out else None
        self._ranker = ranker
        self._dtype = dtype
        self._lookup = lookup or ranker.embeddings.lookup
        self._is_traced = is_traced
        self._gates = gates
        self._graphs: dict[bool, Callable] = {}

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> Encoder:
        """Returns the encoder of training, on fields as they are served; without numbers, data need not have labels."""
        features = self._ranker.feature_set
        if not with_numbers:
            return Encoder(features, keep=keep, as_served=True)
        return Encoder(features, self.number_columns, keep, self._ranker.key_fields, as_served=True)

    def score(self, rows: Rows) -> tuple[Scores, BatchLosses | None]:
        """Returns the predictions of encoded rows by name and, if the rows have labels, what they add to the losses."""
        placed, unseen = self._ranker.feature_set.growing.looked_up(rows)
        if self.unseen is not None:
            self.unseen.add(unseen)
        tensors = to_tensors(placed)
        has_numbers = "numbers" in tensors
        if has_numbers not in self._graphs:
            self._graphs[has_numbers] = self._trace(batch_signature(tensors))
        (predictions, sums, logits, numbers, keys, of_layers, views), gates = self._graphs[has_numbers](tensors)
        if self._gates is not None:
            self._gates.add(gates)
        losses = BatchLosses(sums, logits, Labelled(numbers, keys), of_layers, views) if has_numbers else None
        return _to_numpy(predictions), losses

    def _trace(self, signature: dict[str, tf.TensorSpec]) -> Callable:
        ranker = self._ranker
        is_keeping = has_wide_losses(ranker.tasks)

        def score(batch: Mapping[str, tf.Tensor]) -> tuple[tuple[Mapping, ...], Mapping]:
            if self._gates is None:
                return compute(batch, None), {}
            weights = GateWeights()
            found = compute(batch, weights)
            self._gates.name(weights.experts)
            return found, weights.sums()

        def compute(batch: Mapping[str, tf.Tensor], gates: GateWeights | None) -> tuple[Mapping, ...]:
            found: dict[str, tf.Tensor] = {}
            views: dict[str, dict[str, Views]] = {}
            call = Call(dtype=self._dtype, losses=found, views=views, gates=gates)
            logits, _ = ranker.logits(batch, self._lookup(batch), call)
            predictions = ranker.predictions(logits)
            if "numbers" not in batch:
                return predictions, {}, {}, {}, {}, {}, {}
            sums = ranker.loss_sums(logits, batch, EACH_ROW)
            count = tf.cast(batch["batch_size"], tf.float32)
            compared = {name for by_name in views.values() for name in by_name}
            of_layers = {name: Sum(found[name] * count, count, count) for name in found if name not in compared}
            if not is_keeping:
                return predictions, sums, {}, {}, {}, of_layers, views
            labelled = ranker.labelled(batch)
            kept = {task.name: tf.cast(logits[task.name], tf.float32) for task in ranker.tasks}
            return predictions, sums, kept, labelled.numbers, labelled.keys, of_layers, views

        return tf.function(score, input_signature=[signature], autograph=False) if self._is_traced else score


def kept_columns(rows: Rows) -> dict[str, pa.Array]:
    """Returns the raw columns that were handed on, by field."""
    return {
        name.removeprefix(KEEP_PREFIX): column for name, column in rows.columns.items() if name.startswith(KEEP_PREFIX)
    }


def _to_numpy(tensors: Mapping[str, tf.Tensor]) -> Scores:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
