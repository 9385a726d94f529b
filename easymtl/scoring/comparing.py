"""Whether one model is better than another: paired differences of a metric, and how sure they are. NumPy and SciPy.

Both are trained with the same seeds and measured on the same rows. A difference d_s of seed s varies because other
seeds would have given other networks, and because other rows would have been measured:

    d_s = δ + a_s + r + i_s,    D = mean of d_s,    Var D = (σ_a² + σ_i²) / S + σ_r²

The spread of d_s over the S seeds tells σ_a² + σ_i². A bootstrap over rows (Efron 1979), with the same rows drawn for
all models, tells Var_rows D = σ_r² + σ_i² / S and, by how differently the seeds move in it, σ_i². So

    error² = spread over seeds / S + Var_rows D - σ_i² / S,

where nothing is counted twice, and at least Var_rows D. The interval is Student's, with Satterthwaite's degrees of
freedom (1946): few seeds make it wide where it is seeds that matter, and not where it is rows.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from easymtl.scoring.bootstrap import drawn_rows
from easymtl.tasks.metrics import MetricInputs, UndefinedMetric
from easymtl.tasks.tower_metrics import Metric

Value = Callable[[np.ndarray | None], float]
"""A metric of one model of how often each row was drawn, `[rows]`, or None for once each; NaN where it is undefined."""

_LEVEL = 0.95
_LEAST_RESAMPLES = 20


@dataclass(frozen=True)
class Difference:
    """What B has more than A.

    Attributes:
        first: the metric of A by seed.
        second: of B by seed.
        error: standard error of `mean`; NaN where it cannot be told.
        low: lower end of the 95% interval.
        high: upper end.
        of_seeds: share of `error`² that more seeds would take away; NaN with a single seed, which `error` leaves out.
        is_error: whether less is better.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    error: float
    low: float
    high: float
    of_seeds: float
    is_error: bool = False

    @property
    def by_seed(self) -> tuple[float, ...]:
        """Returns B - A of each seed."""
        return tuple(b - a for a, b in zip(self.first, self.second))

    @property
    def mean(self) -> float:
        """Returns the mean of B - A over seeds."""
        return float(np.mean(self.by_seed))

    @property
    def verdict(self) -> str:
        """Returns `better`, `worse`, or `no difference seen` of B; of a single seed that it is of no other."""
        low, high = (-self.high, -self.low) if self.is_error else (self.low, self.high)
        if not (low > 0 or high < 0):
            return "no difference seen"
        found = "better" if low > 0 else "worse"
        return f"{found} with this seed" if len(self.first) == 1 else found


def paired_difference(
    first: Sequence[Value], second: Sequence[Value], units: np.ndarray, resamples: int = 200, seed: int = 0
) -> Difference:
    """Returns how B differs from A.

    Args:
        first: the metric of A with each seed.
        second: the metric of B with the same seeds.
        units: for each row what it belongs to, such as a user, from 0 on: rows of a unit are drawn together.
        resamples: draws of rows.
        seed: of the draws.
    """
    of_a, of_b = (tuple(value(None) for value in values) for values in (first, second))
    drawn = _resampled(first, second, units, resamples, seed)
    by_seed = np.subtract(of_b, of_a)
    num_seeds = len(by_seed)
    if not np.isfinite(by_seed).all() or len(drawn) < _LEAST_RESAMPLES:
        return Difference(of_a, of_b, math.nan, math.nan, math.nan, math.nan)
    of_rows = float(drawn.mean(axis=1).var(ddof=1))
    if num_seeds == 1:
        half = _half_width(of_rows, math.inf)
        return Difference(of_a, of_b, math.sqrt(of_rows), by_seed[0] - half, by_seed[0] + half, math.nan)
    of_seeds = float(by_seed.var(ddof=1)) / num_seeds
    # How seeds move against each other while rows change: counted by both.
    apart = drawn - drawn.mean(axis=1, keepdims=True)
    of_both = float(apart.var(axis=0, ddof=1).sum()) / (num_seeds - 1) / num_seeds
    variance = max(of_seeds + of_rows - of_both, of_rows)
    freedom = (num_seeds - 1) * (variance / of_seeds) ** 2 if of_seeds else math.inf
    half, mean = _half_width(variance, freedom), float(by_seed.mean())
    share = min(of_seeds / variance, 1.0) if variance else math.nan
    return Difference(of_a, of_b, math.sqrt(variance), mean - half, mean + half, share)


def value_of(metric: Metric, inputs: MetricInputs) -> Value:
    """Returns a metric of rows as a function of how often each of them was drawn; of a calibration |its value - 1|."""

    def value(counts: np.ndarray | None) -> float:
        try:
            found = metric.kind.compute(inputs if counts is None else drawn_rows(inputs, counts))
        except UndefinedMetric:
            return math.nan
        return abs(found - 1) if metric.is_calibration else found

    return value


def is_error(metric: Metric) -> bool:
    """Returns whether less of what `value_of` returns is better."""
    return metric.is_calibration or metric.is_error


def _resampled(
    first: Sequence[Value], second: Sequence[Value], units: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Returns B - A by draw and seed, `[draws, seeds]`; draws in which a metric is not defined are left out."""
    random = np.random.default_rng(seed)
    num_units = int(units.max()) + 1 if len(units) else 0
    found = np.full([resamples if num_units else 0, len(first)], np.nan)
    for draw in found:
        counts = np.bincount(random.integers(0, num_units, num_units), minlength=num_units)[units]
        draw[:] = [b(counts) - a(counts) for a, b in zip(first, second)]
    return found[np.isfinite(found).all(axis=1)]


def _half_width(variance: float, freedom: float) -> float:
    return float(student.ppf((1 + _LEVEL) / 2, freedom) * math.sqrt(variance))
