"""Scoring a part with the model as it is before it is trained on it."""

import gc
import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.restore import load_ranker
from easymtl.features.growing.unseen import UNSEEN
from easymtl.features.memory import require_scoring_memory
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.bars import pass_bar
from easymtl.reporting.phases import begin
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.means import Mean, Means
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker


def found_in(
    pipeline: Pipeline, path: str, checkpoint: Checkpoint | None, is_stopping: Callable[[], bool]
) -> dict[str, Any]:
    """Returns what is found in a part, as JSON can hold it.

    The keys are `rows`, `skipped_rows`, `metrics`, by name and None where the rows do not determine one, `counts`, by
    feature and kind of oddity, `labels` and `scores`, by task the mean, the standard deviation and how many numbers
    that count alike make it as sure, and `warnings`. Without a checkpoint there is no model, and nothing of it: no
    metrics and no scores.

    Args:
        pipeline: the config.
        path: of the part.
        checkpoint: of the model; None before there is one.
        is_stopping: asked before each batch whether to give up.

    Raises:
        NoRows: not one row can be used.
        UserError: the data or the checkpoint cannot be read.
        EvaluationStopped: `is_stopping` said so.
    """
    begin("reading", str(checkpoint.path) if checkpoint else path)
    whole = Pipeline()
    whole.CopyFrom(pipeline)
    whole.eval_config.num_examples = 0
    # What is read is counted, and known to be readable before anything of it is trained on, without a model, too.
    ranker = load_ranker(whole, checkpoint) if checkpoint else _new_ranker(whole)
    means = Means(ranker.tasks)
    scorer = RankerScorer(ranker, tf.float32)
    with pass_bar("Scoring" if checkpoint else "Reading") as tell_progress:
        result = evaluate(whole, ranker.tasks, scorer, path, is_stopping, [means], tell_progress=tell_progress)
    del ranker, scorer
    # The training that follows makes these tables once more.
    gc.collect()
    return {
        "rows": result.num_examples,
        "skipped_rows": result.skipped_rows,
        "metrics": {name: _finite(value) for name, value in result.metrics.items()} if checkpoint else {},
        "counts": {name: some for name, kinds in result.counts.items() if (some := _some(kinds, bool(checkpoint)))},
        "labels": _stored(means.labels),
        "scores": _stored(means.scores) if checkpoint else {},
        "warnings": list(result.warnings) if checkpoint else [],
    }


def _new_ranker(pipeline: Pipeline) -> Ranker:
    require_scoring_memory(pipeline, is_exported=False)
    return Ranker(pipeline)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _some(kinds: Mapping[str, int], has_model: bool) -> dict[str, int]:
    """Returns the kinds of oddities that there are; before there is a model all ids would be unseen by it."""
    return {kind: int(number) for kind, number in kinds.items() if number and (has_model or kind != UNSEEN)}


def _stored(means: Mapping[str, Mean]) -> dict[str, list[float]]:
    return {name: [mean.value, mean.deviation, mean.sureness] for name, mean in means.items() if mean.count}
