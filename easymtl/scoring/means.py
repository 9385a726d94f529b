"""The means of labels and scores of a pass, by task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.tasks.evaluation import prediction_name
from easymtl.tasks.task import Task


@dataclass(frozen=True)
class Mean:
    """The mean of numbers.

    Attributes:
        value: the mean; NaN without any number.
        deviation: the standard deviation of the numbers; NaN without any.
        count: how many there are.
        sureness: how many numbers that count alike would make the mean as sure: `count` where they do.
    """

    value: float
    deviation: float
    count: int
    sureness: float


class _Sums:
    def __init__(self) -> None:
        self._count, self._total, self._mean, self._squares = 0, 0.0, 0.0, 0.0
        # Of the squared weights: their sum, and what they weigh of the distances from the mean and of their squares.
        self._twice, self._twice_apart, self._twice_squares = 0.0, 0.0, 0.0

    def add(self, numbers: np.ndarray, stands_for: np.ndarray) -> None:
        """Adds numbers, each as often as it says; those that are not finite are missing.

        By Chan's formula, which loses no digits.
        """
        there = np.isfinite(numbers)
        if not there.any():
            return
        numbers, often = np.asarray(numbers, np.float64)[there], np.asarray(stands_for, np.float64)[there]
        added = float(often.sum())
        mean, total = float((numbers * often).sum() / added), self._total + added
        apart = mean - self._mean
        self._squares += float(((numbers - mean) ** 2 * often).sum()) + apart**2 * self._total * added / total
        moved = apart * added / total
        self._twice_squares += moved * (self._twice * moved - 2 * self._twice_apart)
        self._twice_apart -= moved * self._twice
        self._mean += moved
        from_mean, twice = numbers - self._mean, often**2
        self._twice += float(twice.sum())
        self._twice_apart += float((twice * from_mean).sum())
        self._twice_squares += float((twice * from_mean**2).sum())
        self._total = total
        self._count += len(numbers)

    def result(self) -> Mean:
        """Returns the mean so far."""
        if not self._count:
            return Mean(math.nan, math.nan, 0, 0.0)
        # The variance of a weighted mean is sum w^2 (x - mean)^2 / (sum w)^2.
        is_spread = self._squares > 0 and self._twice_squares > 0
        sureness = self._squares * self._total / self._twice_squares if is_spread else float(self._count)
        return Mean(self._mean, math.sqrt(self._squares / self._total), self._count, sureness)


class Means:
    """A `Collector` of the mean label and the mean score of each task; tasks of several classes have none.

    Labels that are missing do not count, and scores of all rows do. A row counts as often as it stands for rows, where
    data kept a share of the negatives.
    """

    fields: Sequence[str] = ()

    def __init__(self, tasks: Sequence[Task]):
        self._measured = [
            (task.measures[0], task) for task in tasks if not task.is_multi_class or task.num_outputs == 2
        ]
        self._labels = {task.name: _Sums() for _, task in self._measured}
        self._scores = {task.name: _Sums() for _, task in self._measured}

    def add(
        self, predictions: dict[str, np.ndarray], numbers: dict[str, np.ndarray], columns: dict[str, pa.Array]
    ) -> None:
        """Adds a batch."""
        for measure, task in self._measured:
            scores = np.asarray(predictions[prediction_name(task, measure)])
            scores = scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores.ravel()
            often = np.asarray(measure.stands_for(numbers)) if measure.stands_for else np.ones(len(scores))
            self._scores[task.name].add(scores, often)
            self._labels[task.name].add(np.asarray(measure.labels(numbers)), often)

    @property
    def labels(self) -> dict[str, Mean]:
        """Returns the mean label of each task."""
        return {name: sums.result() for name, sums in self._labels.items()}

    @property
    def scores(self) -> dict[str, Mean]:
        """Returns the mean score of each task."""
        return {name: sums.result() for name, sums in self._scores.items()}
