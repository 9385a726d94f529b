"""How bad the scores of rows are for each task, of all rows and without blocks of them."""

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from easymtl.config import names, view
from easymtl.data.rows import Rows
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower
from easymtl.scoring.pass_losses import BatchLosses, PassLosses
from easymtl.scoring.scored_batch import named_numbers
from easymtl.scoring.scorer import RankerScorer, kept_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.task import Task

LOSS = "loss"
BATCH_SIZE = 1024


@dataclass(frozen=True)
class Criterion:
    """What a task is judged by.

    Attributes:
        task: name of the tower.
        result: such as `auc_ctr`, or `loss_ctr`, the sum of the tower's losses.
        kind: the metric, or "loss".
    """

    task: str
    result: str
    kind: str

    def badness(self, value: float) -> float:
        """Returns a value such that more is worse; of a calibration, which is best at 1, its distance from that."""
        if self.kind == "calibration":
            return abs(value - 1.0)
        return value if self.kind == LOSS or names.METRICS[self.kind].is_error else -value

    def shown(self, badness: float) -> float:
        """Returns how bad something is as its value; of a calibration the distance from 1."""
        return badness if self.kind == "calibration" or self.badness(1.0) > 0 else -badness


def criteria(pipeline: Pipeline, metric: str | None) -> list[Criterion]:
    """Returns what each tower is judged by; towers that do not have the metric are left out.

    Args:
        pipeline: has the towers.
        metric: a metric of towers such as "auc", that of one tower such as "auc_ctr", or "loss"; None for the first
            of each tower, the loss of one without metrics.

    Raises:
        UserError: no tower has the metric.
    """
    names_of_results = view.result_names(pipeline)
    choices = [_choices(tower, names_of_results[tower.tower_name]) for tower in view.task_towers(pipeline)]
    if metric is None:
        return [next(iter(own.values())) for own in choices]
    found = [own[metric] for own in choices if metric in own]
    if not found:
        known = dict.fromkeys(name for own in choices for name in own)
        raise UserError(
            f'--metric: no task tower has "{metric}" in its metrics_set; there are {quoted(known)}.'
            f"{did_you_mean(metric, known)}"
        )
    return found


def _choices(tower: TaskTower, names_of_results: Sequence[str]) -> dict[str, Criterion]:
    """Returns what a tower can be judged by, by what the user calls it: the metrics over all rows come first."""
    task = tower.tower_name
    found = {name: view.results_of_tower(tower, name) for name in names_of_results}
    first = names_of_results[0]
    bare = {result.removesuffix(f"_{first}"): Criterion(task, result, kind) for result, kind in found[first].items()}
    full = {result: Criterion(task, result, kind) for own in found.values() for result, kind in own.items()}
    loss = Criterion(task, f"{LOSS}_{task}", LOSS)
    return {**bare, LOSS: loss, **full, loss.result: loss}


@dataclass(frozen=True)
class Judgement:
    """How bad scores are.

    Attributes:
        whole: `[criteria]`, of all rows; more is worse, NaN where the rows do not determine it.
        without: `[blocks, criteria]`, of all rows but those of one block.
        reasons: of each criterion that is NaN of all rows, why.
    """

    whole: np.ndarray
    without: np.ndarray
    reasons: Mapping[str, str]


class Judge:
    """Scores rows and measures them, all of them and all but one block; each row is scored once.

    The size of batches is one for all configs: the last digit of a score may depend on it.

    Example:
        judge = Judge(scorer, tasks, criteria(pipeline, "auc"))
        judge(rows, [0, 500, 1000]).whole    # [-0.71] for an AUC of 0.71
    """

    def __init__(
        self,
        scorer: RankerScorer,
        tasks: Sequence[Task],
        found: Sequence[Criterion],
        batch_size: int = BATCH_SIZE,
    ):
        self.criteria = tuple(found)
        self._scorer = scorer
        self._tasks = tasks
        self._batch_size = batch_size

    def __call__(self, rows: Rows, bounds: Sequence[int]) -> Judgement:
        """Judges rows of which block i goes from row `bounds[i]` to `bounds[i + 1]`."""
        whole = _Sums(self._tasks, self.criteria)
        blocks = [_Sums(self._tasks, self.criteria) for _ in bounds[1:]]
        scores: list[Mapping[str, np.ndarray]] = []
        for low, high in self._batches(bounds):
            predictions, losses = self._scorer.score(rows.slice(low, high - low))
            scores.append(predictions)
            assert losses is not None, "rows with labels have losses"
            own = bisect(bounds, low) - 1
            for sums in [whole, *blocks[:own], *blocks[own + 1 :]]:
                sums.add_losses(losses)
        predictions = {name: np.concatenate([part[name] for part in scores]) for name in scores[0]}
        numbers, keys = named_numbers(self._scorer, rows), kept_columns(rows)
        for sums, gap in [(whole, (0, 0)), *zip(blocks, pairwise(bounds))]:
            for low, high in ((0, gap[0]), (gap[1], len(rows))):
                sums.evaluation.add(
                    {name: one[low:high] for name, one in predictions.items()},
                    {name: one[low:high] for name, one in numbers.items()},
                    {name: one.slice(low, high - low) for name, one in keys.items()},
                )
        return Judgement(whole.badness(), np.stack([block.badness() for block in blocks]), whole.reasons())

    def _batches(self, bounds: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yields where batches start and end. Losses come as sums of a batch, which then is of one block."""
        for low, high in pairwise(bounds if _has_losses(self.criteria) else (bounds[0], bounds[-1])):
            for start in range(low, high, self._batch_size):
                yield start, min(start + self._batch_size, high)


def _has_losses(found: Sequence[Criterion]) -> bool:
    return any(one.kind == LOSS for one in found)


class _Sums:
    """What adds up over batches, as far as criteria need it."""

    def __init__(self, tasks: Sequence[Task], found: Sequence[Criterion]):
        self._tasks = tasks
        self._criteria = found
        self.evaluation = Evaluation(tasks, {one.result for one in found})
        self._losses = PassLosses(tasks) if _has_losses(found) else None

    def add_losses(self, losses: BatchLosses) -> None:
        """Adds those of a batch, if a criterion is a loss."""
        if self._losses:
            self._losses.add(losses)

    def badness(self) -> np.ndarray:
        """Returns how bad the scores are by each criterion, `[criteria]`."""
        values = self.evaluation.result()
        if self._losses:
            losses = self._losses.result()
            values |= {f"{LOSS}_{task.name}": sum(losses[name] for name in task.loss_names) for task in self._tasks}
        return np.array([one.badness(values[one.result]) for one in self._criteria])

    def reasons(self) -> dict[str, str]:
        """Returns why results are not defined, after `badness`."""
        said = {warning.split(" ", 1)[0]: warning for warning in self.evaluation.warnings}
        return {one.result: said[one.result] for one in self._criteria if one.result in said}
