"""How probabilities decide at many thresholds: what a curve of precision over recall is drawn from."""

from dataclasses import dataclass

import numpy as np

NUM_THRESHOLDS = 201
"""Evenly from 0 to 1, the ends among them."""


@dataclass(frozen=True)
class ThresholdCounts:
    """Rows by what happened and what was said, at each of `NUM_THRESHOLDS` thresholds, `[201]` each.

    A row is said to be an event when its probability is at least the threshold.

    Attributes:
        true_positives: events that are said to be.
        false_positives: others that are said to be events.
        true_negatives: others that are said to be.
        false_negatives: events that are missed.
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    true_negatives: np.ndarray
    false_negatives: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Returns the share of events among what is said to be one, `[201]`; 0 where nothing is."""
        said = self.true_positives + self.false_positives
        return self.true_positives / np.maximum(said, 1)

    @property
    def recall(self) -> np.ndarray:
        """Returns the share of the events that are said to be, `[201]`; 0 without events."""
        return self.true_positives / np.maximum(self.true_positives + self.false_negatives, 1)


def threshold_counts(
    events: np.ndarray, probabilities: np.ndarray, stands_for: np.ndarray | None = None
) -> ThresholdCounts:
    """Counts rows at each threshold, in one pass over them.

    Args:
        events: `[n]` booleans.
        probabilities: `[n]` between 0 and 1.
        stands_for: `[n]`, how many rows each row stands for; None where it is one.
    """
    thresholds = np.linspace(0.0, 1.0, NUM_THRESHOLDS)
    # The number of the largest threshold that a row reaches; the table is small, so that a search in it is too.
    reached = np.searchsorted(thresholds, probabilities, side="right") - 1
    counts = (
        np.bincount(reached[rows], None if stands_for is None else stands_for[rows], NUM_THRESHOLDS)
        for rows in (events, ~events)
    )
    positives, negatives = (one[::-1].cumsum()[::-1] for one in counts)
    # The first threshold is 0, which every row reaches.
    return ThresholdCounts(positives, negatives, negatives[0] - negatives, positives[0] - positives)
