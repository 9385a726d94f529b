"""One pass over evaluation data: predictions, losses, metrics."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.encoder import KEEP_PREFIX, Encoder, to_tensors
from easymtl.features.labels import LabelCheck, RowEncoder, label_rules, number_rules
from easymtl.features.numbers import NumberColumn
from easymtl.features.tally import Tally
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.reach import EACH_ROW
from easymtl.tasks.task import Task
from easymtl.training.inputs import evaluation_feed
from easymtl.training.pass_losses import BatchLosses, PassLosses, has_wide_losses
from easymtl.training.step import batch_signature

Scores = dict[str, np.ndarray]


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        metrics: `<metric>_<tower>`, each loss by name and `loss`, their sum; NaN where the data do not determine it.
        num_examples: rows that were scored.
        seconds: how long it took.
        warnings: a sentence for each metric that is NaN, and for what is odd in the files.
        counts: feature -> kind of oddity -> rows of these; empty of a SavedModel, which does not tell.
        skipped_rows: rows that `data_config.ignore_error` left out between them.
    """

    metrics: dict[str, float]
    num_examples: int
    seconds: float
    warnings: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0


class EvaluationStopped(Exception):
    """An evaluation was given up because it was asked to."""


class Scorer(Protocol):
    """Something that scores rows: the weights of a model in training, or a SavedModel."""

    number_columns: Sequence[NumberColumn]

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> RowEncoder:
        """Returns what turns record batches into the rows that `score` takes, `keep` fields handed on."""

    def score(self, rows: Rows) -> tuple[Scores, BatchLosses | None]:
        """Returns predictions by name, and what the rows add to the losses; None where it cannot tell that."""


class RankerScorer:
    """Scores with the weights that a ranker has at the time; the graph is traced once.

    The transform and the graph are those of the exported form.
    """

    def __init__(self, ranker: Ranker, dtype: tf.DType):
        self.number_columns: Sequence[NumberColumn] = ranker.number_columns
        self._ranker = ranker
        self._dtype = dtype
        self._graphs: dict[bool, Callable] = {}

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> Encoder:
        """Returns the encoder of training; without numbers, data need not have labels."""
        if not with_numbers:
            return Encoder(self._ranker.feature_set, keep=keep)
        return Encoder(self._ranker.feature_set, self.number_columns, keep, self._ranker.key_fields)

    def score(self, rows: Rows) -> tuple[Scores, BatchLosses | None]:
        """Returns the predictions of encoded rows by name and, if the rows have labels, what they add to the losses."""
        tensors = to_tensors(rows)
        has_numbers = "numbers" in tensors
        if has_numbers not in self._graphs:
            self._graphs[has_numbers] = self._trace(batch_signature(tensors))
        predictions, sums, logits, numbers, keys = self._graphs[has_numbers](tensors)
        losses = BatchLosses(sums, logits, Labelled(numbers, keys)) if has_numbers else None
        return _to_numpy(predictions), losses

    def _trace(self, signature: dict[str, tf.TensorSpec]) -> Callable:
        ranker = self._ranker
        is_keeping = has_wide_losses(ranker.tasks)

        def score(batch: Mapping[str, tf.Tensor]) -> tuple[Mapping, ...]:
            logits, _ = ranker.logits(batch, ranker.embeddings.lookup(batch), Call(dtype=self._dtype))
            predictions = ranker.predictions(logits)
            if "numbers" not in batch:
                return predictions, {}, {}, {}, {}
            sums = ranker.loss_sums(logits, batch, EACH_ROW)
            if not is_keeping:
                return predictions, sums, {}, {}, {}
            labelled = ranker.labelled(batch)
            kept = {name: tf.cast(value, tf.float32) for name, value in logits.items()}
            return predictions, sums, kept, labelled.numbers, labelled.keys

        return tf.function(score, input_signature=[signature], autograph=False)


def evaluate(
    pipeline: Pipeline,
    tasks: Sequence[Task],
    scorer: Scorer,
    paths: str | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> EvaluationResult:
    """Evaluates on `paths`, or on the config's evaluation data, in one pass and in order.

    Raises:
        UserError: the data cannot be read, or has no row.
        EvaluationStopped: `is_stopping`, which is asked before each batch, said so.
    """
    begin = time.perf_counter()
    evaluation = Evaluation(tasks)
    encoder = scorer.encoder(evaluation.key_fields)
    losses = PassLosses(tasks)
    num_examples = 0
    limit = pipeline.eval_config.num_examples or None
    labels = LabelCheck(encoder, label_rules(pipeline), number_rules(pipeline))
    tally = Tally(getattr(encoder, "codes", None))
    with evaluation_feed(pipeline, labels, paths or view.eval_input(pipeline)) as feed:
        for rows in _limited((batch.rows for batch in feed), limit):
            if is_stopping():
                raise EvaluationStopped
            predictions, of_batch = scorer.score(rows)
            evaluation.add(predictions, _named_numbers(scorer, rows), kept_columns(rows))
            num_examples += rows.num_rows
            tally.add(rows)
            labels.count(rows)
            if of_batch:
                losses.add(of_batch)
    metrics = evaluation.result() | losses.result()
    seconds = time.perf_counter() - begin
    of_rows = encoder.warnings(tally.counts) if isinstance(encoder, Encoder) else []
    warnings = (*evaluation.warnings, *_unlearnt(labels, tasks), *of_rows, *feed.source.warnings())
    return EvaluationResult(metrics, num_examples, seconds, warnings, tally.counts, tally.skipped_rows)


def _unlearnt(labels: LabelCheck, tasks: Sequence[Task]) -> list[str]:
    """Returns a sentence for each tower that no row counts for, unless its metrics have said that there is no label."""
    has_metrics = {task.name for task in tasks if task.metrics}
    return [
        f'{why}, so this says nothing of the tower "{rule.tower}".'
        if not labels.num_labels[rule.field]
        else f'{why}: the losses of the tower "{rule.tower}" are 0.'
        for rule, why in labels.unlearnt("rows")
        if not rule.is_off and (labels.num_labels[rule.field] or rule.tower not in has_metrics)
    ]


def _named_numbers(scorer: Scorer, rows: Rows) -> dict[str, np.ndarray]:
    numbers = np.asarray(rows["numbers"])
    return {column.name: numbers[:, index] for index, column in enumerate(scorer.number_columns)}


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
