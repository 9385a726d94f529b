"""One pass over evaluation data: predictions, losses, metrics."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.encoder import Encoder
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.features.tally import Tally
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import Told, evaluation_feed, tell_nobody
from easymtl.scoring.pass_losses import PassLosses
from easymtl.scoring.scorer import Scorer, kept_columns
from easymtl.scoring.shared_scoring import scored
from easymtl.scoring.uncalibrated import calibrated_tasks, without_curves
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.task import Task
from easymtl.tasks.threshold_counts import ThresholdCounts


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
        thresholds: how each prediction of an event decides, by what stands behind the metric.
        uncalibrated: the metrics of tasks with a `post_calibration` as they are before it, where that was asked for.
    """

    metrics: dict[str, float]
    num_examples: int
    seconds: float
    warnings: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    thresholds: Mapping[str, ThresholdCounts] = field(default_factory=dict)
    uncalibrated: Mapping[str, float] = field(default_factory=dict)


class Collector(Protocol):
    """Something that looks at each batch of an evaluation.

    Attributes:
        fields: whose raw columns it needs.
    """

    fields: Sequence[str]

    def add(
        self, predictions: dict[str, np.ndarray], numbers: dict[str, np.ndarray], columns: dict[str, pa.Array]
    ) -> None:
        """Takes predictions and number columns by name, and raw columns by field, all of the same rows."""


class EvaluationStopped(Exception):
    """An evaluation was given up because it was asked to."""


def evaluate(
    pipeline: Pipeline,
    tasks: Sequence[Task],
    scorer: Scorer,
    paths: str | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
    collectors: Sequence[Collector] = (),
    with_uncalibrated: bool = False,
    tell_progress: Told = tell_nobody,
    peers: Peers = ONE,
) -> EvaluationResult:
    """Evaluates on `paths`, or on the config's evaluation data, in one pass and in order.

    Args:
        pipeline: the config; `eval_config.num_examples` limits the rows.
        tasks: have the metrics.
        scorer: what is evaluated.
        paths: the data; None for those of the config.
        is_stopping: is asked before each batch whether to give up.
        collectors: are shown each batch, too.
        with_uncalibrated: whether tasks with a `post_calibration` are measured without it, too.
        tell_progress: is told how far it has come.
        peers: the workers that evaluate together: all of them read the rows, each scores a part of the batches, and all
            have the result.

    Raises:
        UserError: the data cannot be read, or has no row.
        EvaluationStopped: `is_stopping`, which is asked before each batch, said so.
    """
    begin = time.perf_counter()
    evaluation = Evaluation(tasks, scores=[score.name for score in pipeline.export_config.final_score])
    before = Evaluation(calibrated_tasks(tasks) if with_uncalibrated else ())
    kept = dict.fromkeys([*evaluation.key_fields, *(name for one in collectors for name in one.fields)])
    encoder = scorer.encoder(list(kept))
    losses = PassLosses(tasks)
    num_examples = 0
    limit = pipeline.eval_config.num_examples or None
    labels = LabelCheck(encoder, row_rules(pipeline))
    tally = Tally(getattr(encoder, "codes", None))
    with peers.signs.doing("opening files"):
        opened = evaluation_feed(pipeline, labels, paths or view.eval_input(pipeline))
    with opened as feed, peers.signs.follow(lambda: feed.num_encoded):
        batches = limited((batch.rows for batch in feed), limit)
        for rows, predictions, of_batch in scored(batches, scorer, peers):
            if is_stopping():
                raise EvaluationStopped
            numbers, columns = named_numbers(scorer, rows), kept_columns(rows)
            evaluation.add(predictions, numbers, columns)
            if before.metrics:
                before.add(without_curves(tasks, predictions), numbers, columns)
            for collector in collectors:
                collector.add(predictions, numbers, columns)
            num_examples += rows.num_rows
            tally.add(rows)
            labels.count(rows)
            tell_progress(num_examples, num_examples / limit if limit else feed.progress)
            if of_batch:
                losses.add(of_batch)
    with peers.signs.doing("computing metrics"):
        metrics = evaluation.result() | losses.result()
        if peers.are_several:
            # All compare and stop by those of the chief: two kinds of processors may round differently.
            [metrics, *_] = peers.share(metrics)
        thresholds, uncalibrated = evaluation.thresholds(), before.result()
    seconds = time.perf_counter() - begin
    of_rows = encoder.warnings(tally.counts) if isinstance(encoder, Encoder) else []
    of_files = (*feed.source.warnings(), *(feed.cache.messages if feed.cache else ()))
    warnings = (*evaluation.warnings, *_unlearnt(labels, tasks), *of_rows, *of_files)
    return EvaluationResult(
        metrics,
        num_examples,
        seconds,
        warnings,
        tally.counts,
        tally.skipped_rows,
        thresholds,
        uncalibrated=uncalibrated,
    )


def gather(
    pipeline: Pipeline, tasks: Sequence[Task], scorer: Scorer, paths: str, tell_progress: Told = tell_nobody
) -> Evaluation:
    """Returns what the metrics of tasks are computed on, of the rows of `paths`.

    `tell_progress` is told how far it has come.

    Raises:
        UserError: the data cannot be read, or has no row.
    """
    evaluation = Evaluation(tasks)
    encoder = scorer.encoder(evaluation.key_fields)
    labels = LabelCheck(encoder, row_rules(pipeline))
    limit, num_rows = pipeline.eval_config.num_examples or None, 0
    with evaluation_feed(pipeline, labels, paths) as feed:
        for rows in limited((batch.rows for batch in feed), limit):
            predictions, _ = scorer.score(rows)
            evaluation.add(predictions, named_numbers(scorer, rows), kept_columns(rows))
            num_rows += rows.num_rows
            tell_progress(num_rows, num_rows / limit if limit else feed.progress)
    return evaluation


def _unlearnt(labels: LabelCheck, tasks: Sequence[Task]) -> list[str]:
    """Returns a sentence for what no row counts for, unless the metrics of a tower have said that there is no label."""
    said = {f'the tower "{task.name}"' for task in tasks if task.metrics}
    return [
        f"{why}: the losses of {rule.learner} are 0."
        if labels.num_labels[rule.column.field]
        else f"{why}, so this says nothing of {rule.learner}."
        for rule, why in labels.unlearnt("rows")
        if not rule.is_off and (labels.num_labels[rule.column.field] or rule.learner not in said)
    ]


def named_numbers(scorer: Scorer, rows: Rows) -> dict[str, np.ndarray]:
    """Returns labels and weights of encoded rows by the name of their column, `[batch]` each."""
    numbers = np.asarray(rows["numbers"])
    return {column.name: numbers[:, index] for index, column in enumerate(scorer.number_columns)}


def limited(batches: Iterator[Rows], limit: int | None) -> Iterator[Rows]:
    """Yields batches of `limit` rows in all."""
    left = limit
    for rows in batches:
        if left is not None and rows.num_rows >= left:
            yield rows.slice(0, left)
            return
        if left is not None:
            left -= rows.num_rows
        yield rows
