"""What a search makes better: one result of evaluations, or several."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from easymtl.config import view
from easymtl.config.names import METRICS
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.best import Best
from easymtl.training.exported import is_best_exported

_NEITHER = ("calibration",)
Evaluation = Mapping[str, Any]
"""`step`, `metrics` by name, `is_best`: of the history of a training."""


@dataclass(frozen=True)
class Objective:
    """A result that is to be large, or small.

    Attributes:
        name: as the command calls it.
        results: those of an evaluation that it is the mean of.
        bigger: whether more of it is better.
    """

    name: str
    results: tuple[str, ...]
    bigger: bool

    def read(self, metrics: Mapping[str, float | None]) -> float:
        """Returns the mean of the results; NaN where one of them is not determined."""
        values = [metrics.get(name) for name in self.results]
        return math.nan if None in values else sum(values) / len(values)  # type: ignore[arg-type]

    def is_better(self, value: float, other: float) -> bool:
        """Returns whether a value is better than another one."""
        return value > other if self.bigger else value < other


def objectives_of(pipeline: Pipeline, names: Sequence[str] = ()) -> list[Objective]:
    """Returns what is made better.

    Args:
        pipeline: the config.
        names: results such as `auc_click`, `auc` for the mean over the towers that have it, or `loss`; without any,
            what decides which evaluation of a training is the best.

    Raises:
        UserError: no evaluation has a result of that name.
    """
    if not view.eval_input(pipeline):
        raise UserError("eval_input_path is missing: without evaluation data no trial is better than another one.")
    if not names:
        best = Best.from_pipeline(pipeline)
        return [Objective(best.metric, best.results, best.bigger)]
    found = [_objective(pipeline, name) for name in names]
    for place, one in enumerate(found):
        if one.name in names[:place]:
            raise UserError(f'--metric names "{one.name}" twice.')
    return found


def _objective(pipeline: Pipeline, name: str) -> Objective:
    kinds = view.metric_results(pipeline)
    if name in view.LOSS_NAMES:
        return Objective(name, (name,), False)
    results = view.results_of_metric(pipeline, name)
    if not results:
        known = [*kinds, *view.LOSS_NAMES]
        hint = did_you_mean(name, known)
        raise UserError(f'--metric: no evaluation has "{name}". There are {quoted(known)}.{hint}')
    if kinds[results[0]] in _NEITHER:
        raise UserError(f"--metric: of {name} neither more nor less is better: its best is 1. Take log_loss instead.")
    return Objective(name, tuple(results), not METRICS[kinds[results[0]]].is_error)


def counted_evaluation(pipeline: Pipeline, evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """Returns the evaluation by which a training is judged: that of the checkpoint that `easymtl export` takes.

    It is the best one with `exporter_type: "best"`, unless the last one is as good, else the last one; None without
    any.
    """
    if pipeline.export_config.exporter_type == "best":
        found = [one for one in evaluations if one["is_best"]]
        best, last = Best.from_pipeline(pipeline), evaluations[-1] if evaluations else {}
        if found and best.update(found[-1]["step"], _known(found[-1])):
            return found[-1] if is_best_exported(pipeline, best, _known(last)) else last
    return evaluations[-1] if evaluations else None


def _known(evaluation: Evaluation) -> dict[str, float]:
    """Returns the results of an evaluation that the data determine: others are null in a history."""
    return {name: value for name, value in evaluation["metrics"].items() if value is not None}
