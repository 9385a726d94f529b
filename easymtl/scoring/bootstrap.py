"""How sure a metric is: its values over rows, or groups of rows, drawn again with replacement (Efron 1979)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from easymtl.tasks import metrics
from easymtl.tasks.grouped_metrics import grouped_auc
from easymtl.tasks.metrics import MetricInputs, UndefinedMetric
from easymtl.tasks.tower_metrics import Metric

TIMES = 200
"""Resamples of metrics that are computed on many of them at once."""
FEWER_TIMES = 100
"""Resamples of very many rows, whose intervals are narrow whatever the number."""
SLOW_TIMES = 40
"""Resamples of other metrics, which are computed one by one."""
_LARGEST = 1 << 22
_MANY_ROWS = 1 << 18
_NORMAL = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95% interval.

    Attributes:
        value: of the rows as they are; NaN where they do not determine it.
        low: lower end of the interval; NaN where there is none.
        high: upper end.
    """

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def is_apart_from_0(self) -> bool:
        """Returns whether 0 is outside of the interval."""
        return self.low > 0 or self.high < 0


def counts(num_units: int, times: int = TIMES, seed: int = 0) -> Iterator[np.ndarray]:
    """Yields how often each unit is drawn when as many are drawn with replacement, `[some, num_units]`, `times` in all.

    Those of resample i are a function of (seed, i, num_units) alone, so that two models can be compared on them.
    """
    some = max(_LARGEST // max(num_units, 1), 1)
    for first in range(0, times, some):
        drawn = [np.random.default_rng([seed, one]) for one in range(first, min(first + some, times))]
        yield np.stack([np.bincount(r.integers(0, num_units, num_units), minlength=num_units) for r in drawn]).astype(
            np.float64
        )


def estimate(metric: Metric, inputs: MetricInputs, seed: int = 0) -> Estimate:
    """Returns a metric with its interval; NaN where the rows do not determine it.

    Rows are drawn again, of a metric with groups the groups that have both classes. Where nearly all resamples come to
    the same, as the AUC of one event above all other rows does, they do not tell how sure it is: there is no interval.
    """
    try:
        value = metric.kind.compute(inputs)
    except UndefinedMetric:
        return Estimate(math.nan)
    low, high = interval(value, replicates(metric, inputs, seed))
    return Estimate(value, low, high) if low < high else Estimate(value)


def difference(metric: Metric, one: MetricInputs, other: MetricInputs, seed: int = 0) -> Estimate:
    """Returns how much larger a metric is of `other` than of `one`, whose rows are the same, on the same resamples."""
    try:
        value = metric.kind.compute(other) - metric.kind.compute(one)
    except UndefinedMetric:
        return Estimate(math.nan)
    return Estimate(value, *interval(value, replicates(metric, other, seed) - replicates(metric, one, seed)))


def interval(value: float, found: np.ndarray) -> tuple[float, float]:
    """Returns the 95% interval by the values of resamples `[times]`: their quantiles, of few ones a normal interval.

    NaN with fewer than 2 that are defined.
    """
    defined = found[np.isfinite(found)]
    if len(defined) < 2:
        return math.nan, math.nan
    if len(defined) <= SLOW_TIMES:
        half = _NORMAL * float(np.std(defined, ddof=1))
        return value - half, value + half
    low, high = np.quantile(defined, (0.025, 0.975))
    return float(low), float(high)


def replicates(metric: Metric, inputs: MetricInputs, seed: int = 0) -> np.ndarray:
    """Returns the metric of each resample; NaN where one does not determine it."""
    compute = metric.kind.compute
    if compute is metrics.group_auc:
        return _group_aucs(inputs, seed)
    if compute in _AT_ONCE:
        of_resamples, num_rows = _AT_ONCE[compute](inputs), len(inputs.labels)
        times = TIMES if num_rows <= _MANY_ROWS else FEWER_TIMES
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = [of_resamples(_weights(inputs, drawn)) for drawn in counts(num_rows, times, seed)]
        return np.concatenate(parts)
    drawn = (row for part in counts(len(inputs.labels), SLOW_TIMES, seed) for row in part)
    return np.array([_one(compute, inputs, row) for row in drawn])


def _one(compute: Callable[[MetricInputs], float], inputs: MetricInputs, drawn: np.ndarray) -> float:
    try:
        return compute(drawn_rows(inputs, drawn))
    except UndefinedMetric:
        return math.nan


def drawn_rows(inputs: MetricInputs, drawn: np.ndarray) -> MetricInputs:
    """Returns the rows that were drawn, each with its weight as often as it was, `drawn` `[n]` times."""
    rows = drawn > 0
    return replace(
        inputs,
        labels=inputs.labels[rows],
        predictions=inputs.predictions[rows],
        weights=_weights(inputs, drawn)[rows].astype(np.float64),
        groups=None if inputs.groups is None else inputs.groups[rows],
    )


def _weights(inputs: MetricInputs, drawn: np.ndarray) -> np.ndarray:
    return drawn if inputs.weights is None else drawn * inputs.weights


def _group_aucs(inputs: MetricInputs, seed: int) -> np.ndarray:
    """Returns the mean AUC over groups that are drawn again: a group that is drawn twice counts twice."""
    assert inputs.groups is not None
    found = grouped_auc(inputs.positive, inputs.predictions, inputs.groups, inputs.weights)
    shares = {"mean_by_sample_num": found.num_samples, "mean_by_positive_num": found.num_positives}
    share = shares.get(inputs.parameters.reduction, np.ones_like(found.auc))
    parts = [(drawn @ (share * found.auc)) / (drawn @ share) for drawn in counts(len(found.auc), seed=seed)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Many:
    """Stands for the inputs of a metric that is made of means: its mean is one of each resample, `[b]`."""

    inputs: MetricInputs
    weights: np.ndarray

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inputs, name)

    def mean(self, values: np.ndarray) -> np.ndarray:
        return (self.weights @ np.asarray(values, np.float64)) / self.weights.sum(axis=1)


OfResamples = Callable[[np.ndarray], np.ndarray]
"""Weights of rows `[b, n]` to the metric of each resample `[b]`."""


def _of_means(compute: Callable[[MetricInputs], float]) -> Callable[[MetricInputs], OfResamples]:
    def prepare(inputs: MetricInputs) -> OfResamples:
        return lambda weights: cast(np.ndarray, compute(cast(MetricInputs, _Many(inputs, weights))))

    return prepare


def _root_mean_squared_errors(inputs: MetricInputs) -> OfResamples:
    errors = np.square(inputs.predictions - inputs.labels)
    return lambda weights: np.sqrt(_Many(inputs, weights).mean(errors))


def _calibrations(inputs: MetricInputs) -> OfResamples:
    return lambda weights: (weights @ inputs.predictions) / (weights @ inputs.labels)


def _normalized_entropies(inputs: MetricInputs) -> OfResamples:
    log_losses = _of_means(metrics.log_loss)(inputs)

    def of_resamples(weights: np.ndarray) -> np.ndarray:
        rate = _Many(inputs, weights).mean(inputs.labels)
        return log_losses(weights) / -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))

    return of_resamples


def _by_threshold(compute: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[MetricInputs], OfResamples]:
    """Returns a metric by the weights `[b, thresholds]` of positive and negative rows at each score, from the top."""

    def prepare(inputs: MetricInputs) -> OfResamples:
        order = np.argsort(-inputs.predictions, kind="stable")
        scores = inputs.predictions[order]
        starts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
        positive = inputs.positive[order].astype(np.float64)

        def of_resamples(weights: np.ndarray) -> np.ndarray:
            drawn = weights[:, order]
            positives = np.add.reduceat(drawn * positive, starts, axis=1)
            return compute(positives, np.add.reduceat(drawn, starts, axis=1) - positives)

        return of_resamples

    return prepare


def _aucs(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    above = np.cumsum(positives, axis=1) - positives
    ordered = np.sum(negatives * (above + positives / 2), axis=1)
    return ordered / (positives.sum(axis=1) * negatives.sum(axis=1))


def _average_precisions(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    found = np.cumsum(positives, axis=1)
    taken = found + np.cumsum(negatives, axis=1)
    precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
    return np.sum(positives * precision, axis=1) / found[:, -1]


def _largest_f1s(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    found = np.cumsum(positives, axis=1)
    return np.max(2 * found / (found + np.cumsum(negatives, axis=1) + found[:, -1:]), axis=1)


_MEANS = (
    metrics.accuracy,
    metrics.precision,
    metrics.recall,
    metrics.recall_at_topk,
    metrics.precision_at_topk,
    metrics.mean_squared_error,
    metrics.mean_absolute_error,
    metrics.log_loss,
)
_AT_ONCE: dict[Callable[[MetricInputs], float], Callable[[MetricInputs], OfResamples]] = {
    **{compute: _of_means(compute) for compute in _MEANS},
    metrics.root_mean_squared_error: _root_mean_squared_errors,
    metrics.calibration: _calibrations,
    metrics.normalized_entropy: _normalized_entropies,
    metrics.auc: _by_threshold(_aucs),
    metrics.pr_auc: _by_threshold(_average_precisions),
    metrics.max_f1: _by_threshold(_largest_f1s),
}
