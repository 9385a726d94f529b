"""One pass over evaluation data: predictions, losses, metrics."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.encoder import KEEP_PREFIX, to_tensors
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.ranker import Ranker
from easymtl.training.inputs import evaluation_encoder, evaluation_feed
from easymtl.training.step import batch_signature

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
      metrics: `<metric>_<tower>`, each loss by name and `loss`, their sum; NaN where the data do not determine it.
      num_examples: rows that were scored.
      seconds: how long it took.
      warnings: a sentence for each metric that is NaN.
    """

    metrics: dict[str, float]
    num_examples: int
    seconds: float
    warnings: tuple[str, ...]


class Evaluator:
    """Scores data with the weights that a ranker has at the time; the graph is traced once.

    The predictions are those of the model's exported form: the same transform, the same graph.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker, dtype: tf.DType):
        self._pipeline = pipeline
        self._ranker = ranker
        self._dtype = dtype
        self._score: Callable | None = None

    def run(self, paths: str | None = None) -> EvaluationResult:
        """Evaluates on `paths`, or on the config's evaluation data.

        Raises:
          UserError: the data cannot be read, or has no row.
        """
        begin = time.perf_counter()
        evaluation = Evaluation(self._ranker.tasks)
        encoder = evaluation_encoder(self._ranker, evaluation.key_fields)
        totals: dict[str, float] = {}
        num_examples = 0
        limit = self._pipeline.eval_config.num_examples or None
        with evaluation_feed(self._pipeline, encoder, paths or view.eval_input(self._pipeline)) as feed:
            for rows in _limited((batch.rows for batch in feed), limit):
                predictions, losses = self.score(rows)
                evaluation.add(predictions, named_numbers(self._ranker, rows), kept_columns(rows))
                num_examples += rows.num_rows
                for name, value in losses.items():
                    totals[name] = totals.get(name, 0.0) + float(value) * rows.num_rows
        losses = {name: total / num_examples for name, total in totals.items()}
        metrics = {**evaluation.result(), **losses, "loss": sum(losses.values())}
        return EvaluationResult(metrics, num_examples, time.perf_counter() - begin, tuple(evaluation.warnings))

    def score(self, rows: Rows) -> tuple[Scores, Scores]:
        """Returns the predictions and the losses of encoded rows, by name."""
        tensors = to_tensors(rows)
        if self._score is None:
            self._score = self._trace(batch_signature(tensors))
        predictions, losses = self._score(tensors)
        return _to_numpy(predictions), _to_numpy(losses)

    def _trace(self, signature: dict[str, tf.TensorSpec]) -> Callable:
        def score(batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
            lookups = self._ranker.embeddings.lookup(batch)
            logits, _ = self._ranker.logits(batch, lookups, Call(dtype=self._dtype))
            has_labels = "numbers" in batch
            losses = self._ranker.losses_of(logits, batch, norm=None).tasks if has_labels else {}
            return self._ranker.predictions(logits), losses

        return tf.function(score, input_signature=[signature])


def named_numbers(ranker: Ranker, rows: Rows) -> dict[str, np.ndarray]:
    """Returns labels, weights and indicators of encoded rows by name, each `[batch]`."""
    return {column.name: rows["numbers"][:, index] for index, column in enumerate(ranker.number_columns)}


def kept_columns(rows: Rows) -> dict[str, pa.Array]:
    """Returns the raw columns that were handed on, by field."""
    return {
        name.removeprefix(KEEP_PREFIX): column for name, column in rows.columns.items() if name.startswith(KEEP_PREFIX)
    }


def _limited(batches: Iterator[Rows], limit: int | None) -> Iterator[Rows]:
    """Yields batches of `limit` rows in all."""
    left = limit
    for rows in batches:
        if left is not None and rows.num_rows >= left:
            yield rows.slice(0, left)
            return
        if left is not None:
            left -= rows.num_rows
        yield rows


def _to_numpy(tensors: Mapping[str, tf.Tensor]) -> Scores:
    return {name: tensor.numpy() for name, tensor in tensors.items()}
