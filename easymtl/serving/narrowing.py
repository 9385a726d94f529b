"""What a model loses when it is exported in fewer bytes, measured on rows with labels before anything is written."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tensorflow as tf

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.errors import UserError
from easymtl.features.embeddings import Embeddings, Lookup
from easymtl.features.labels import NumbersEncoder
from easymtl.features.narrow_rows import rounding
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.evaluation import evaluate
from easymtl.scoring.pass_losses import BatchLosses
from easymtl.scoring.scorer import RankerScorer, Scores
from easymtl.serving.precision import Precision
from easymtl.tasks.ranker import Ranker

NUM_ROWS = 100_000
"""So many rows are measured, the first ones. An AUC of them is known to about .003 for other rows, but that of the same
rows in float32 moves with it: their difference is known much better."""


class TooNarrow(UserError):
    """What fewer bytes change is more than is allowed; another checkpoint of the same training may be within it."""


_GUARDED = ("auc", "gauc", "session_auc", "pr_auc", "xauc")


_NOTHING_GUARDED = (
    "these rows determine no AUC, so export_config.max_auc_change limits nothing: look at what has changed."
)


@dataclass(frozen=True)
class Narrowing:
    """What fewer bytes change.

    Attributes:
        num_rows: rows that were measured; 0 if there are no data.
        data: whose rows they are, "evaluation" or "training".
        before: metrics and losses in float32, as `easymtl eval` finds them.
        after: the same in the precision of the export.
        score_changes: the largest absolute change of each score, by output.
        warnings: of metrics that the rows do not determine, and if there is no AUC among the others.
    """

    num_rows: int = 0
    data: str = ""
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    score_changes: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def document(self) -> dict[str, Any]:
        """Returns what `easymtl.json` says; what is not determined is null."""

        def known(values: Mapping[str, float]) -> dict[str, float | None]:
            return {name: value if math.isfinite(value) else None for name, value in values.items()}

        return {
            "rows": self.num_rows,
            "data": self.data or None,
            "before": known(self.before),
            "after": known(self.after),
            "score_changes": known(self.score_changes),
        }


def narrow_scorer(ranker: Ranker, precision: Precision, is_traced: bool = True) -> RankerScorer:
    """Returns the scorer of a checkpoint that computes as an export of this precision has to.

    It rounds rows as they are looked up and kernels as they are read, and knows nothing of how an export stores them.
    """
    lookup = _rounded(ranker.embeddings, rounding(precision.rows))
    return RankerScorer(ranker, precision.products, lookup, is_traced)


def measure_narrowing(pipeline: Pipeline, ranker: Ranker) -> Narrowing | None:
    """Compares metrics and scores in float32 with those in the precision of the export; None where that is float32.

    Raises:
        TooNarrow: an AUC changes by more than `export_config.max_auc_change`, which nothing may be published with, or
            scores are no numbers any more.
        UserError: `max_auc_change` is set and there are no data.
    """
    precision = Precision.of(pipeline)
    if not precision.is_narrow:
        return None
    paths = view.eval_input(pipeline) or view.train_input(pipeline)
    if not paths:
        if pipeline.export_config.HasField("max_auc_change"):
            raise UserError(
                "export_config.max_auc_change is set, and there are no rows to measure on: name evaluation data in "
                "eval_input_path, or remove it to export without a measurement."
            )
        return Narrowing()
    limited = Pipeline()
    limited.CopyFrom(pipeline)
    limited.eval_config.num_examples = min(pipeline.eval_config.num_examples or NUM_ROWS, NUM_ROWS)
    wide, narrow = (_Keeping(scorer) for scorer in (RankerScorer(ranker, tf.float32), narrow_scorer(ranker, precision)))
    before = evaluate(limited, ranker.tasks, wide, paths)
    after = evaluate(limited, ranker.tasks, narrow, paths)
    found = Narrowing(
        num_rows=before.num_examples,
        data="evaluation" if view.eval_input(pipeline) else "training",
        before=before.metrics,
        after=after.metrics,
        score_changes=_changes(wide.scores(), narrow.scores(), precision),
        warnings=before.warnings,
    )
    _require_small(pipeline, found, precision)
    return found if guarded(pipeline, found) else replace(found, warnings=(*found.warnings, _NOTHING_GUARDED))


def guarded(pipeline: Pipeline, narrowing: Narrowing) -> list[str]:
    """Returns the names of the metrics that `max_auc_change` holds for, those that the rows determine in float32."""
    kinds = view.metric_results(pipeline)
    return [name for name, value in narrowing.before.items() if kinds.get(name) in _GUARDED and math.isfinite(value)]


def _require_small(pipeline: Pipeline, found: Narrowing, precision: Precision) -> None:
    limit = pipeline.export_config.max_auc_change
    broken = [
        f"{name} is {found.after[name]:.6f} in place of {found.before[name]:.6f}"
        for name in guarded(pipeline, found)
        if not abs(found.after[name] - found.before[name]) <= limit
    ]
    if broken:
        products, rows = precision.names
        raise TooNarrow(
            f"export_config.max_auc_change: with precision {products} and row_precision {rows}, {'; '.join(broken)} on "
            f"{found.num_rows:,} rows of the {found.data} data. A change of {limit:g} is allowed, so nothing was "
            f"exported. {_advice(precision)}, or allow more by max_auc_change."
        )


def _advice(precision: Precision) -> str:
    products, rows = precision.names
    wider = [
        *(["row_precision: FLOAT16 or FLOAT32"] if rows in ("INT8", "BFLOAT16") else []),
        *(["row_precision: FLOAT32"] if rows == "FLOAT16" else []),
        *([] if products == "FLOAT32" else ["precision: FLOAT32"]),
    ]
    return f"Try {', or '.join(wider)}"


def _changes(wide: Scores, narrow: Scores, precision: Precision) -> dict[str, float]:
    """Returns the largest change of each score; where one is no number in float32, its row does not count."""
    changes = {}
    for name, values in wide.items():
        if values.dtype.kind != "f" and values.dtype != tf.bfloat16.as_numpy_dtype:
            continue
        before, after = values.astype(np.float64), narrow[name].astype(np.float64)
        is_number = np.isfinite(before)
        lost = int((is_number & ~np.isfinite(after)).sum())
        if lost:
            raise TooNarrow(
                f"export_config.precision: {lost:,} of {before.size:,} scores {name} are NaN or infinite in "
                f"{precision.names[0]}, and numbers in FLOAT32. Nothing was exported; use BFLOAT16 or FLOAT32."
            )
        changes[name] = float(
            np.max(np.abs(np.subtract(after, before, where=is_number, out=np.zeros_like(before))), initial=0.0)
        )
    return changes


def _rounded(embeddings: Embeddings, rounded: Callable[[tf.Tensor], tf.Tensor]) -> Callable:
    def lookup(batch: Mapping[str, tf.Tensor]) -> dict[int, Lookup]:
        return {width: replace(one, rows=rounded(one.rows)) for width, one in embeddings.lookup(batch).items()}

    return lookup


class _Keeping:
    """A scorer that keeps the scores that it has given."""

    def __init__(self, scorer: RankerScorer):
        self.number_columns = scorer.number_columns
        self.looks_up_together = scorer.looks_up_together
        self.unseen = scorer.unseen
        self._scorer = scorer
        self._kept: list[Scores] = []

    def encoder(self, keep: Sequence[str], with_numbers: bool = True) -> NumbersEncoder:
        """Returns the encoder of training."""
        return self._scorer.encoder(keep, with_numbers)

    def score(self, rows: Rows) -> tuple[Scores, BatchLosses | None]:
        """Returns the predictions, and keeps them."""
        scores, losses = self._scorer.score(rows)
        self._kept.append(scores)
        return scores, losses

    def scores(self) -> Scores:
        """Returns the scores of all rows."""
        return {name: np.concatenate([part[name] for part in self._kept]) for name in self._kept[0]}
