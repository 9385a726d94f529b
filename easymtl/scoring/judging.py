"""How bad the scores of rows are for each task, of all rows and of blocks of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from easymtl.config import names, view
from easymtl.data.rows import Rows
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower
from easymtl.scoring.evaluation import named_numbers
from easymtl.scoring.pass_losses import PassLosses
from easymtl.scoring.scorer import RankerScorer, kept_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.task import Task

LOSS = "loss"


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
        blocks: `[blocks, criteria]`, of each block.
        reasons: of each criterion that is NaN of all rows, why.
    """

    whole: np.ndarray
    blocks: np.ndarray
    reasons: Mapping[str, str]


class Judge:
    """Scores rows and measures them, all of them and block by block; each batch is scored once.

    Example:
        judge = Judge(scorer, tasks, criteria(pipeline, "auc"), batch_size)
        judge(rows, [0, 500, 1000]).whole    # [-0.71] for an AUC of 0.71
    """

    def __init__(self, scorer: RankerScorer, tasks: Sequence[Task], found: Sequence[Criterion], batch_size: int):
        self.criteria = tuple(found)
        self._scorer = scorer
        self._tasks = tasks
        self._batch_size = batch_size

    def __call__(self, rows: Rows, bounds: Sequence[int]) -> Judgement:
        """Judges rows of which block i goes from row `bounds[i]` to `bounds[i + 1]`."""
        whole = _Sums(self._tasks)
        blocks = []
        for low, high in pairwise(bounds):
            block = _Sums(self._tasks)
            for start in range(low, high, self._batch_size):
                batch = rows.slice(start, min(self._batch_size, high - start))
                predictions, losses = self._scorer.score(batch)
                assert losses is not None, "rows with labels have losses"
                numbers, keys = named_numbers(self._scorer, batch), kept_columns(batch)
                for sums in (whole, block):
                    sums.evaluation.add(predictions, numbers, keys)
                    sums.losses.add(losses)
            blocks.append(self._badness(block))
        return Judgement(self._badness(whole), np.stack(blocks), whole.reasons(self.criteria))

    def _badness(self, sums: "_Sums") -> np.ndarray:
        values = sums.values()
        return np.array([one.badness(values[one.result]) for one in self.criteria])


class _Sums:
    """What adds up over batches."""

    def __init__(self, tasks: Sequence[Task]):
        self._tasks = tasks
        self.evaluation = Evaluation(tasks)
        self.losses = PassLosses(tasks)

    def values(self) -> dict[str, float]:
        """Returns metrics and losses by name, and those of each task together as `loss_<task>`."""
        values = self.evaluation.result() | self.losses.result()
        return values | {f"{LOSS}_{task.name}": sum(values[name] for name in task.loss_names) for task in self._tasks}

    def reasons(self, found: Sequence[Criterion]) -> dict[str, str]:
        """Returns why results are not defined, after `values`."""
        said = {warning.split(" ", 1)[0]: warning for warning in self.evaluation.warnings}
        return {one.result: said[one.result] for one in found if one.result in said}
