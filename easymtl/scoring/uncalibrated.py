"""Probabilities as they are before the `post_calibration` of their tasks."""

from collections.abc import Sequence

import numpy as np

from easymtl.scoring.scorer import Scores
from easymtl.tasks.task import Task


def calibrated_tasks(tasks: Sequence[Task]) -> list[Task]:
    """Returns the tasks that have a `post_calibration`."""
    return [task for task in tasks if task.tower.HasField("post_calibration")]


def log_odds_of(task: Task, predictions: Scores) -> np.ndarray:
    """Returns the log-odds `[n]` that the curve of a task is a function of."""
    logits = np.asarray(predictions[f"logits_{task.output_name}"], np.float64)
    return logits[:, 1] - logits[:, 0] if logits.ndim == 2 else logits


def without_curves(tasks: Sequence[Task], predictions: Scores) -> Scores:
    """Returns predictions with the probabilities that tasks with a `post_calibration` have before it."""
    from scipy.special import expit

    before = {
        f"probs_{task.output_name}": expit(log_odds_of(task, predictions)).astype(np.float32)
        for task in calibrated_tasks(tasks)
    }
    return {**predictions, **before}
