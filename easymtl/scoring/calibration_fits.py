"""Fits of curves from log-odds to probabilities; NumPy, SciPy and scikit-learn alone, in float64."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

MOST_POINTS = 200
LEAST_ROWS = 50
"""Rows of a point of an isotonic fit: a step that fewer of them make is noise, and is steep."""

STEEPEST = 10.0
"""How fast an isotonic fit may rise, 40 times the most of a sigmoid: p must not show the last digit of a score."""

_NEWTON_STEPS = 100
_WIDEST = 7.0
"""Bound of the log of a temperature: e^7 is about 1,100."""


def fit_temperature(log_odds: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Returns the slope a that makes sigmoid(a z) likeliest; the temperature is 1 / a (Guo et al. 2017, section 4.2).

    Args:
        log_odds: z, `[n]`.
        positive: whether the event happened, `[n]`; both kinds are there.
        weights: how many rows each row counts for, `[n]`, above 0.
    """
    targets = _targets(positive, weights)

    def loss(logarithm: float) -> float:
        return _cross_entropy(np.exp(logarithm) * log_odds, targets, weights)

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-9})
    return float(np.exp(found.x))


def fit_line(log_odds: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Returns slope a and intercept b that make sigmoid(a z + b) likeliest, by Newton's method (Lin et al. 2007).

    Args:
        log_odds: z, `[n]`.
        positive: whether the event happened, `[n]`; both kinds are there.
        weights: how many rows each row counts for, `[n]`, above 0.
    """
    targets = _targets(positive, weights)
    base = np.average(targets, weights=weights)
    line = np.array([0.0, np.log(base / (1 - base))])
    columns = np.stack([log_odds, np.ones_like(log_odds)], axis=1)
    for _ in range(_NEWTON_STEPS):
        probabilities = expit(columns @ line)
        gradient = columns.T @ (weights * (probabilities - targets))
        hessian = (columns.T * (weights * probabilities * (1 - probabilities))) @ columns
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        before, size = _cross_entropy(columns @ line, targets, weights), 1.0
        while size > 1e-6 and _cross_entropy(columns @ (line - size * step), targets, weights) > before:
            size /= 2
        line = line - size * step
        if np.abs(size * step).max() < 1e-10 * max(1.0, np.abs(line).max()):
            break
    return float(line[0]), float(line[1])


def fit_isotonic(log_odds: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns points (z, p) of which p does not fall: an isotonic regression over bins of rows that lie side by side.

    A bin's share of positives counts one more row, which is positive at the rate of all rows: no p is 0 or 1, and the
    mean of all rows stays what it is. Bins between which p would rise by more than `STEEPEST` are joined.

    Args:
        log_odds: z, `[n]`.
        positive: whether the event happened, `[n]`.
        weights: how many rows each row counts for, `[n]`, above 0.

    Returns:
        Two arrays `[points]`; z rises in float32. A single point where there are fewer than two bins.
    """
    places, shares, sizes = binned(log_odds, positive, weights)
    heights = IsotonicRegression().fit_transform(places, shares, sample_weight=sizes)
    places, heights = _less_steep(places, heights, sizes)
    # Between the first and the last bin of a level nothing happens.
    ends = np.concatenate([[True], np.diff(heights) > 0, [True]])
    kept = ends[:-1] | ends[1:]
    return places[kept], heights[kept]


def binned(
    log_odds: np.ndarray, positive: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns mean z, share of positives and weight of bins of about equally many rows, by rising z, `[bins]` each."""
    order = np.argsort(log_odds, kind="stable")
    z, hits, weights = (np.asarray(one, np.float64)[order] for one in (log_odds, positive, weights))
    count = max(1, min(MOST_POINTS, len(z) // LEAST_ROWS))
    starts = np.arange(count) * len(z) // count
    # Equal log-odds are in one bin, the first that holds any of them.
    starts = np.unique(np.searchsorted(z, z[starts], side="left"))
    base, mean = np.average(hits, weights=weights), weights.mean()
    sums = np.add.reduceat(weights, starts)
    places = np.float32(np.add.reduceat(weights * z, starts) / sums).astype(np.float64)
    shares = (np.add.reduceat(weights * hits, starts) + mean * base) / (sums + mean)
    same = np.unique(places, return_inverse=True)[1]
    total = np.bincount(same, sums)
    return np.unique(places), np.bincount(same, sums * shares) / total, total


def _less_steep(places: np.ndarray, heights: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns points that rise by `STEEPEST` at most: the two of the steepest rise become one, until there is none."""
    while len(places) > 1:
        slopes = np.diff(heights) / np.diff(places)
        at = int(slopes.argmax())
        if slopes[at] <= STEEPEST:
            break
        pair = slice(at, at + 2)
        places[at], heights[at] = (np.average(one[pair], weights=sizes[pair]) for one in (places, heights))
        sizes[at] += sizes[at + 1]
        places, heights, sizes = (np.delete(one, at + 1) for one in (places, heights, sizes))
    return places, heights


def _targets(positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns labels a little within 0 and 1, so that rows that can be told apart have a finite fit (Platt 1999)."""
    unit = weights.mean()
    positives, negatives = (weights[kind].sum() / unit for kind in (positive, ~positive))
    return np.where(positive, (positives + 1) / (positives + 2), 1 / (negatives + 2))


def _cross_entropy(log_odds: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sum(weights * (np.logaddexp(0, log_odds) - targets * log_odds)))
