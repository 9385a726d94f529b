"""What is drawn of scores and labels: ROC, precision and recall, reliability, distributions, residuals. NumPy alone.

`stands_for`, `[n]` or None, is how many rows each row stands for, where data kept a share of the negatives.
"""

from dataclasses import dataclass

import numpy as np

from easymtl.tasks.ranked_counts import ranked_counts

NUM_POINTS = 150
"""Most points of a curve: those between them are left out."""
NUM_BINS = 10
_NORMAL = 1.959964


@dataclass(frozen=True)
class Curve:
    """Points of a curve.

    Attributes:
        x: `[points]`.
        y: `[points]`.
        area: under the whole curve, whatever points are left out.
    """

    x: np.ndarray
    y: np.ndarray
    area: float


@dataclass(frozen=True)
class Bins:
    """Rows sorted by score and cut into bins of about equal count.

    Attributes:
        score: `[bins]`, mean score.
        label: `[bins]`, mean label.
        low: `[bins]`, lower end of the middle of the labels: of rates the 95% Wilson interval, of values their 10%
            quantile.
        high: `[bins]`, upper end: or the 90% quantile.
        count: `[bins]`, rows, or how many they stand for.
    """

    score: np.ndarray
    label: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray


def _counts(stands_for: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    return np.ones(len(rows)) if stands_for is None else stands_for.astype(np.float64)


def _thinned(*columns: np.ndarray, most: int = NUM_POINTS) -> tuple[np.ndarray, ...]:
    """Returns points of a curve at about equal distances along it, the first and the last among them."""
    if len(columns[0]) <= most:
        return columns
    way = np.cumsum(np.append(0.0, sum(np.abs(np.diff(column)) for column in columns)))
    places = np.unique(np.searchsorted(way, np.linspace(0, way[-1], most)).clip(max=len(way) - 1))
    return tuple(column[places] for column in columns)


def roc(positive: np.ndarray, scores: np.ndarray, stands_for: np.ndarray | None = None) -> Curve | None:
    """Returns the share of positive rows above each threshold over that of negative ones; None with one class.

    Args:
        positive: `[n]` booleans.
        scores: `[n]`.
        stands_for: see above.
    """
    if positive.all() or not positive.any():
        return None
    counts = ranked_counts(positive, scores, stands_for)
    shares = (np.append(0.0, part / part[-1]) for part in (counts.false, counts.true))
    x, y = _thinned(*shares)
    return Curve(x, y, counts.roc_area())


def precision_recall(positive: np.ndarray, scores: np.ndarray, stands_for: np.ndarray | None = None) -> Curve | None:
    """Returns precision over recall; None without a positive row. The area is the average precision.

    Args:
        positive: `[n]` booleans.
        scores: `[n]`.
        stands_for: see above.
    """
    if not positive.any():
        return None
    counts = ranked_counts(positive, scores, stands_for)
    recall, precision = counts.true / counts.true[-1], counts.precision()
    x, y = _thinned(np.append(0.0, recall), np.append(precision[0], precision))
    return Curve(x, y, counts.average_precision())


def _cuts(scores: np.ndarray, num_bins: int) -> list[np.ndarray]:
    """Returns the places of the rows of each bin, in the order of their scores; as many rows in each, if it can be."""
    parts = np.array_split(np.argsort(scores, kind="stable"), min(num_bins, len(scores)))
    return [part for part in parts if len(part)]


def reliability(
    positive: np.ndarray, scores: np.ndarray, num_bins: int = NUM_BINS, stands_for: np.ndarray | None = None
) -> Bins:
    """Returns how often the event happens in bins of equally many rows, with Wilson's interval (1927).

    The interval of rows that stand for several is that of (Σ w)² / Σ w² rows (Kish 1965).

    Args:
        positive: `[n]` booleans.
        scores: `[n]` probabilities.
        num_bins: most bins.
        stands_for: see above.
    """
    parts, counts = _cuts(scores, num_bins), _counts(stands_for, scores)
    rate, mean = (np.array([np.average(one[p], weights=counts[p]) for p in parts]) for one in (positive, scores))
    count = np.array([counts[part].sum() for part in parts])
    known = count**2 / np.array([np.square(counts[part]).sum() for part in parts])
    squared = _NORMAL**2
    middle = (rate + squared / (2 * known)) / (1 + squared / known)
    half = _NORMAL * np.sqrt(rate * (1 - rate) / known + squared / (4 * known**2)) / (1 + squared / known)
    return Bins(mean, rate, middle - half, middle + half, count)


def expected_calibration_error(bins: Bins) -> float:
    """Returns the mean distance of mean score and rate over bins, each counted by its rows (Naeini et al. 2015)."""
    return float(np.average(np.abs(bins.score - bins.label), weights=bins.count))


def predicted_and_actual(labels: np.ndarray, predictions: np.ndarray, num_bins: int = NUM_BINS) -> Bins:
    """Returns mean, 10% and 90% quantile of the labels in bins of equal count of the predictions, `[n]` each."""
    parts = _cuts(predictions, num_bins)
    low, high = (np.array([np.quantile(labels[part], q) for part in parts]) for q in (0.1, 0.9))
    count = np.array([len(part) for part in parts], np.float64)
    score, label = (np.array([column[part].mean() for part in parts]) for column in (predictions, labels))
    return Bins(score, label, low, high, count)


QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def residual_quantiles(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Returns the `QUANTILES` of prediction - label."""
    return np.quantile(predictions.astype(np.float64) - labels, QUANTILES)


@dataclass(frozen=True)
class Distribution:
    """How scores lie.

    Attributes:
        edges: `[bins + 1]`.
        negative: `[bins]`, share of the negative rows in each bin.
        positive: `[bins]`, share of the positive rows.
    """

    edges: np.ndarray
    negative: np.ndarray
    positive: np.ndarray


def distribution(positive: np.ndarray, scores: np.ndarray, num_bins: int = 30) -> Distribution:
    """Returns the distribution of scores of positive and of negative rows, `[n]` each, over bins of equal width."""
    top = float(scores.max()) if len(scores) else 1.0
    edges = np.linspace(0.0, top if top > 0 else 1.0, num_bins + 1)
    shares = []
    for rows in (~positive, positive):
        found = np.histogram(scores[rows], edges)[0].astype(np.float64)
        shares.append(found / max(found.sum(), 1.0))
    return Distribution(edges, *shares)
