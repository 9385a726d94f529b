"""One pass over evaluation data: predictions, losses, metrics."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.encoder import Encoder
from easymtl.features.growing.unseen import UnseenIds
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck, NumbersEncoder
from easymtl.features.tally import Tally, added
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.dealt_rows import DealtRows, dealt_rows
from easymtl.scoring.feed import Told, tell_nobody
from easymtl.scoring.pass_losses import PassLosses
from easymtl.scoring.scorer import Scorer
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
        thresholds: how each prediction of an event decides, by what stands behind the metric; of several workers the
            chief alone has them.
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
        peers: the workers that evaluate together: each reads and scores a part of the rows, and all have the result.
            Collectors are shown all batches, but those of the chief alone.

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
    counted = _Counted(encoder, LabelCheck(encoder, row_rules(pipeline)), scorer.unseen)
    if scorer.unseen is not None:
        scorer.unseen.clear()

    def go_on() -> None:
        if is_stopping():
            raise EvaluationStopped

    with dealt_rows(pipeline, counted.labels, paths or view.eval_input(pipeline), limit, peers) as dealt:
        for num_rows, found in dealt.scored(scorer, go_on, counted.add):
            num_examples += num_rows
            tell_progress(num_examples, num_examples / limit if limit else dealt.feed.progress)
            if found is None:
                continue
            evaluation.add(found.scores, found.numbers, found.columns)
            if before.metrics:
                before.add(without_curves(tasks, found.scores), found.numbers, found.columns)
            for collector in collectors:
                collector.add(found.scores, found.numbers, found.columns)
            if found.losses:
                losses.add(found.losses)
    with peers.signs.doing("computing metrics"):
        counted = counted.of_all(peers, dealt)
        if not peers.is_chief:
            return _of_chief(peers.share(None), num_examples, time.perf_counter() - begin)
        result = EvaluationResult(
            evaluation.result() | losses.result(),
            num_examples,
            time.perf_counter() - begin,
            (*evaluation.warnings, *_unlearnt(counted.labels, tasks), *counted.warnings),
            counted.counts,
            counted.skipped_rows,
            evaluation.thresholds(),
            uncalibrated=before.result(),
        )
        if peers.are_several:
            peers.share({name: getattr(result, name) for name in _SHARED})
    return result


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
    with dealt_rows(pipeline, labels, paths, limit) as dealt:
        for num_of_batch, found in dealt.scored(scorer):
            assert found is not None, "who scores alone has what was found"
            evaluation.add(found.scores, found.numbers, found.columns)
            num_rows += num_of_batch
            tell_progress(num_rows, num_rows / limit if limit else dealt.feed.progress)
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


class _Counted:
    """What is counted of rows as they are scored, by the worker that has read them.

    Attributes:
        labels: checks and counts labels and weights.
        counts: see `EvaluationResult`, of all workers.
        skipped_rows: see there, too.
        warnings: of rows and of files.
    """

    def __init__(self, encoder: NumbersEncoder, labels: LabelCheck, unseen: UnseenIds | None):
        self.labels = labels
        self.counts: Mapping[str, Mapping[str, int]] = {}
        self.skipped_rows = 0
        self.warnings: Sequence[str] = ()
        self._encoder, self._unseen = encoder, unseen
        self._tally = Tally(getattr(encoder, "codes", None))

    def add(self, rows: Rows) -> None:
        """Counts rows."""
        self._tally.add(rows)
        self.labels.count(rows)

    def of_all(self, peers: Peers, dealt: DealtRows) -> "_Counted":
        """Returns what all workers have counted."""
        cache = dealt.feed.cache
        of_files = [*dealt.source.warnings(), *(cache.messages if cache else ())]
        counts = added([self._tally.counts, self._unseen.counts]) if self._unseen is not None else self._tally.counts
        own = [counts, self._tally.skipped_rows + dealt.num_untold, self.labels.counts(), of_files]
        tallies, skipped, labels, texts = zip(*peers.share(own))
        found = _Counted(self._encoder, self.labels.of_all(labels), None)
        found.counts, found.skipped_rows = added(tallies), sum(skipped)
        of_rows = self._encoder.warnings(found.counts) if isinstance(self._encoder, Encoder) else []
        # Where all workers read the same, all have the same to say.
        found.warnings = [*of_rows, *dict.fromkeys(text for one in texts for text in one)]
        return found


_SHARED = ("metrics", "warnings", "counts", "skipped_rows", "uncalibrated")
"""What other workers have of the result of the chief: all compare and stop by its numbers, as two kinds of processors
may round differently."""


def _of_chief(shared: Sequence[Any], num_examples: int, seconds: float) -> EvaluationResult:
    """Returns the result of the chief, whose `thresholds` and rows it alone has."""
    of_chief = shared[0]
    warnings = tuple(of_chief.pop("warnings"))
    return EvaluationResult(num_examples=num_examples, seconds=seconds, warnings=warnings, **of_chief)
