"""The rows that were trained on last, and how well the model orders them: worse than chance is a fault of the training.

Batches are only remembered, so that a step costs what it did; they are scored where an evaluation is made, or at the
end.
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from easymtl.data.rows import Rows
from easymtl.peers.peers import ONE, Peers
from easymtl.scoring.scored_batch import named_numbers
from easymtl.scoring.scorer import Scorer
from easymtl.scoring.shared_scoring import rows_of_all
from easymtl.tasks.evaluation import prediction_name
from easymtl.tasks.ranked_counts import ranked_counts
from easymtl.tasks.task import Task
from easymtl.training.hints import FEW_STEPS, TrainingAuc, worse_than_chance_in_training

MOST_ROWS = 8192
"""Rows that all workers together remember, about: an AUC of them is sure to .02 where a twentieth is positive."""


class LastRows:
    """Remembers the batches that were trained on last.

    Each of several workers has its own; all of them look at once, and say the same.
    """

    def __init__(self, peers: Peers = ONE) -> None:
        self._peers = peers
        self._batches: deque[Rows] = deque()
        self._no_rows: Rows | None = None
        self._num_rows = 0
        self._looked_step = 0
        self._has_told = False

    def add(self, rows: Rows) -> None:
        """Remembers a batch, and forgets those that are too many; the newest is kept whatever its size."""
        if self._no_rows is None:
            self._no_rows = rows.slice(0, 0)
        if not rows.num_rows:
            return
        self._batches.append(rows)
        self._num_rows += rows.num_rows
        most = MOST_ROWS // self._peers.size
        while len(self._batches) > 1 and self._num_rows - self._batches[0].num_rows >= most:
            self._num_rows -= self._batches.popleft().num_rows

    def look(self, step: int, tasks: Sequence[Task], scorer: Scorer) -> Iterator[str]:
        """Yields what is to be said of the rows, once in a training.

        Args:
            step: updates made.
            tasks: of the model.
            scorer: of the weights as they are.
        """
        if self._has_told or step < FEW_STEPS or step == self._looked_step:
            return
        self._looked_step = step
        found = list(worse_than_chance_in_training(self.aucs(tasks, scorer), step))
        # The chief decides whether it was said, or another worker might wait for the rest to look once more.
        [texts, *_] = self._peers.share(found)
        self._has_told = bool(texts)
        yield from texts

    def aucs(self, tasks: Sequence[Task], scorer: Scorer) -> list[TrainingAuc]:
        """Returns the AUC of each task with an event, where the rows that count for it have both kinds.

        Args:
            tasks: of the model.
            scorer: of the weights as they are.
        """
        found: dict[str, list[np.ndarray]] = {}
        events = [task for task in tasks if task.output.is_probability]
        for rows in self._rounds():
            predictions, _ = scorer.score(rows)
            numbers = named_numbers(scorer, rows)
            for task in events:
                measure = task.measures[0]
                scores = predictions[prediction_name(task, measure)]
                scores = scores[:, 1] if scores.ndim == 2 and scores.shape[1] == 2 else scores
                if scores.ndim == 1:
                    # Out of the task's space nothing was trained on.
                    is_trained = np.asarray(task.weights(numbers)) > 0
                    labels = np.where(is_trained, np.asarray(measure.labels(numbers)), np.nan)
                    found.setdefault(task.name, []).append(np.stack([labels, scores]))
        of_all = rows_of_all([np.concatenate(parts, axis=1).T for parts in found.values()], self._peers)
        return [one for name, rows in zip(found, of_all) for one in _auc(name, rows.T)]

    def _rounds(self) -> Iterator[Rows]:
        """Yields the batches; no rows where other workers have more of them, for looking up may need all workers."""
        yield from self._batches
        for _ in range(max(self._peers.share(len(self._batches))) - len(self._batches)):
            assert self._no_rows is not None
            yield self._no_rows


def _auc(tower: str, both: np.ndarray) -> list[TrainingAuc]:
    """Returns the AUC of labels and scores `[2, n]`, or nothing where they determine none."""
    labels, scores = both[:, ~np.isnan(both[0])]
    positives = int((labels > 0).sum())
    if not 0 < positives < len(labels) or not np.isfinite(scores).all():
        return []
    return [TrainingAuc(tower, ranked_counts(labels > 0, scores).roc_area(), positives, len(labels) - positives)]
