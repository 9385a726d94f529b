"""Events and others among the rows from the highest score down: areas under curves, exact, from one sort.

scikit-learn has them, too, and the tests hold these against it; but it takes two seconds of a processor to import,
which every training and evaluation would pay.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RankedCounts:
    """What is found above thresholds: one for each distinct score, the highest first.

    Attributes:
        true: `[thresholds]` float64, events that score at least as much, or their weights' sum.
        false: `[thresholds]`, others.
    """

    true: np.ndarray
    false: np.ndarray

    def roc_area(self) -> float:
        """Returns the area under the ROC curve: the share of pairs in the right order, a tie counting 1/2."""
        tied_true, tied_false = (np.diff(one, prepend=0.0) for one in (self.true, self.false))
        ordered = np.sum(tied_false * (self.true - tied_true / 2))
        return float(ordered / (self.true[-1] * self.false[-1]))

    def average_precision(self) -> float:
        """Returns the step-wise area under the curve of precision over recall."""
        return float(np.sum(np.diff(self.true, prepend=0.0) * self.precision()) / self.true[-1])

    def best_f1(self) -> float:
        """Returns the largest F1 of all thresholds."""
        return float(np.max(2 * self.true / (self.true + self.false + self.true[-1])))

    def precision(self) -> np.ndarray:
        """Returns the share of events above each threshold, `[thresholds]`."""
        return self.true / (self.true + self.false)


def ranked_counts(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> RankedCounts:
    """Counts events and others above each score.

    Args:
        positive: `[n]` booleans, n being 1 at least.
        scores: `[n]`, finite.
        weights: `[n]`, all above 0, or None for 1 each.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    counts = np.ones(len(scores)) if weights is None else weights[order].astype(np.float64)
    is_event = positive[order]
    true, false = (np.cumsum(np.where(kind, counts, 0.0))[ends] for kind in (is_event, ~is_event))
    return RankedCounts(true, false)
