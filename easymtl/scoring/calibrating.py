"""Fitting the `post_calibration` of tasks on rows with labels."""

from collections.abc import Mapping, Sequence

import numpy as np

from easymtl.data.rows import Rows
from easymtl.errors import UserError
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import PostCalibration, TaskTower
from easymtl.scoring.feed import evaluation_feed, limited
from easymtl.scoring.scored_batch import named_numbers
from easymtl.scoring.scorer import RankerScorer
from easymtl.scoring.uncalibrated import calibrated_tasks, log_odds_of
from easymtl.tasks.post_calibration import Curve, Line, Steps
from easymtl.tasks.task import Task

_PARTS = ("log_odds", "labels", "weights")


def fit_curves(pipeline: Pipeline, tasks: Sequence[Task], scorer: RankerScorer, paths: str) -> dict[str, Curve]:
    """Returns the curve of each task that has a `post_calibration`, by tower name.

    Each labelled row counts once, and for as many rows as it stands for where data kept a share of the negatives.

    Args:
        pipeline: the config.
        tasks: of the model.
        scorer: of the model, without curves.
        paths: rows with labels; at most `eval_config.num_examples` of them are read.

    Raises:
        UserError: the data cannot be read, or do not determine a curve.
    """
    chosen = calibrated_tasks(tasks)
    gathered = _gather(pipeline, chosen, scorer, paths)
    return {task.name: _fit(task.tower, paths, *gathered[task.name]) for task in chosen}


def _gather(
    pipeline: Pipeline, tasks: Sequence[Task], scorer: RankerScorer, paths: str
) -> Mapping[str, tuple[np.ndarray, ...]]:
    """Returns log-odds, labels and weights of the labelled rows of each task, `[n]` each."""
    encoder = scorer.encoder([])
    found: dict[str, list[np.ndarray]] = {task.name: [] for task in tasks}
    labels = LabelCheck(encoder, row_rules(pipeline))
    with evaluation_feed(pipeline, labels, paths) as feed:
        for rows in limited((batch.rows for batch in feed), pipeline.eval_config.num_examples or None):
            _add(found, tasks, scorer, rows)
    return {name: tuple(np.concatenate(parts, axis=1)) if parts else () for name, parts in found.items()}


def _add(found: dict[str, list[np.ndarray]], tasks: Sequence[Task], scorer: RankerScorer, rows: Rows) -> None:
    predictions, _ = scorer.score(rows)
    numbers = named_numbers(scorer, rows)
    for task in tasks:
        parts = (log_odds_of(task, predictions), task.labels(numbers), task.stands_for(numbers))
        columns = np.stack([np.asarray(part, np.float64) for part in parts])
        found[task.name].append(columns[:, ~np.isnan(columns[1])])


def _fit(tower: TaskTower, paths: str, *gathered: np.ndarray) -> Curve:
    log_odds, labels, weights = gathered or [np.zeros(0)] * len(_PARTS)
    positive = labels > 0
    where = f'post_calibration of the tower "{tower.tower_name}" on {paths}'
    # Most models have no curve, and SciPy and scikit-learn take a second to import.
    from easymtl.scoring.calibration_fits import fit_isotonic, fit_line, fit_temperature

    if not np.isfinite(log_odds).all():
        raise UserError(f"{where}: {int((~np.isfinite(log_odds)).sum())} of the scores are NaN or infinite.")
    if not 0 < positive.sum() < len(positive):
        kind = f"all {len(positive):,} rows with a label are of one kind" if len(positive) else "no row has a label"
        raise UserError(f"{where}: {kind}. Name other data in eval_config.calibration_input_path, or remove it.")
    if tower.post_calibration.method == PostCalibration.TEMPERATURE:
        return Line(fit_temperature(log_odds, positive, weights))
    if tower.post_calibration.method == PostCalibration.PLATT:
        return Line(*fit_line(log_odds, positive, weights))
    places, heights = fit_isotonic(log_odds, positive, weights)
    if len(places) < 2:
        raise UserError(
            f"{where}: the {len(positive):,} rows give ISOTONIC a single level. Name more data in "
            "eval_config.calibration_input_path, or use method: PLATT."
        )
    return Steps(tuple(places.tolist()), tuple(heights.tolist()))
