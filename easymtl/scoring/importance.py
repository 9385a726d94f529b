"""Permutation importance: how much worse a model scores when a feature is that of another row."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from easymtl.config import names, view
from easymtl.data.rows import Rows
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.feature_set import FeatureSet
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.evaluation import named_numbers
from easymtl.scoring.feed import evaluation_feed
from easymtl.scoring.parts import exchanged, parts_of
from easymtl.scoring.pass_losses import PassLosses
from easymtl.scoring.scorer import RankerScorer, kept_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.task import Task

NUM_BLOCKS = 20
_STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]
_STUDENT += [2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093]
"""Student's 97.5% quantiles, by degrees of freedom less one."""
LOSS = "loss"


@dataclass(frozen=True)
class Importance:
    """What a part of the inputs is worth to a task.

    Attributes:
        task: name of the tower.
        part: the feature, input field or group.
        metric: the result that is compared, such as `auc_ctr`, or `loss_ctr`.
        value: the metric of the rows as they are; of a calibration its distance from 1.
        loss: how much worse it is with the part permuted, the mean over repeats; above 0 where the part helps.
        low: lower end of the 95% confidence interval of it.
        high: upper end.
    """

    task: str
    part: str
    metric: str
    value: float
    loss: float
    low: float
    high: float


def chosen_results(pipeline: Pipeline, metric: str | None) -> dict[str, tuple[str, str]]:
    """Returns the result that each tower is judged by, and which metric it is.

    Args:
        pipeline: has the towers.
        metric: a metric such as "auc", or "loss"; None for the first of each tower, the loss of one without metrics.

    Raises:
        UserError: no tower has the metric.
    """
    results: dict[str, tuple[str, str]] = {}
    known = {LOSS: None}
    for tower in view.task_towers(pipeline):
        own = view.results_of_tower(tower, view.result_names(pipeline)[tower.tower_name][0])
        suffix = view.result_names(pipeline)[tower.tower_name][0]
        bare = {result.removesuffix(f"_{suffix}"): (result, kind) for result, kind in own.items()}
        known |= dict.fromkeys(bare)
        if metric == LOSS or (metric is None and not bare):
            results[tower.tower_name] = (f"loss_{tower.tower_name}", LOSS)
        elif metric is None:
            results[tower.tower_name] = next(iter(bare.values()))
        elif metric in bare:
            results[tower.tower_name] = bare[metric]
    if not results:
        raise UserError(
            f'--metric: no task tower has "{metric}" in its metrics_set; there are {quoted(known)}.'
            f"{did_you_mean(str(metric), known)}"
        )
    return results


def read_rows(pipeline: Pipeline, scorer: RankerScorer, tasks: Sequence[Task], paths: str, limit: int) -> Rows:
    """Returns the first `limit` encoded rows of `paths`, with labels and the keys of metrics.

    Raises:
        UserError: the data cannot be read, or has fewer than 2 rows.
    """
    parts, left = [], limit
    encoder = scorer.encoder(Evaluation(tasks).key_fields)
    with evaluation_feed(pipeline, encoder, paths) as feed:
        for batch in feed:
            parts.append(batch.rows.slice(0, min(left, batch.rows.num_rows)))
            left -= parts[-1].num_rows
            if left <= 0:
                break
    rows = Rows.concat(parts) if parts else Rows({})
    if rows.num_rows < 2:
        raise UserError(f"{paths}: {rows.num_rows} rows are too few to exchange values between. Name more data.")
    return rows


class Judge:
    """Measures rows, all of them and block by block.

    Blocks are what the confidence intervals come from: the rows of one user or session stay in one.
    """

    def __init__(
        self, scorer: RankerScorer, tasks: Sequence[Task], results: Mapping[str, tuple[str, str]], batch_size: int
    ):
        self._scorer = scorer
        self._tasks = tasks
        self._results = results
        self._batch_size = batch_size

    def __call__(self, blocks: Sequence[Rows]) -> np.ndarray:
        """Returns how bad the scores are, `[1 + blocks, tasks]`: of all rows, then of each block; NaN if undefined."""
        whole = (Evaluation(self._tasks), PassLosses(self._tasks))
        found = []
        for block in blocks:
            own = (Evaluation(self._tasks), PassLosses(self._tasks))
            for start in range(0, block.num_rows, self._batch_size):
                rows = block.slice(start, min(self._batch_size, block.num_rows - start))
                predictions, losses = self._scorer.score(rows)
                assert losses is not None, "rows with labels have losses"
                for evaluation, sums in (whole, own):
                    evaluation.add(predictions, named_numbers(self._scorer, rows), kept_columns(rows))
                    sums.add(losses)
            found.append(self._badness(*own))
        return np.array([self._badness(*whole), *found])

    def _badness(self, evaluation: Evaluation, losses: PassLosses) -> list[float]:
        values = evaluation.result() | losses.result()
        for task in self._tasks:
            values[f"loss_{task.name}"] = sum(values[name] for name in task.loss_names)
        return [badness(values[result], kind) for result, kind in self._results.values()]


def badness(value: float, kind: str) -> float:
    """Returns a metric such that more is worse; of a calibration, which is best at 1, its distance from that."""
    if kind == "calibration":
        return abs(value - 1.0)
    return value if kind == LOSS or names.METRICS[kind].is_error else -value


def into_blocks(rows: Rows, seed: int) -> list[np.ndarray]:
    """Returns the row numbers of at most `NUM_BLOCKS` blocks of about equal size, drawn by the seed.

    Rows of one session, or of one group of a metric, are in one block.
    """
    keys = rows.columns.get("keys")
    kept = kept_columns(rows)
    if keys is not None and len(np.asarray(keys).shape) == 2:
        _, units = np.unique(np.asarray(keys)[:, 0], return_inverse=True)
    elif kept:
        encoded = next(iter(kept.values()))
        dictionary = encoded if hasattr(encoded, "dictionary") else encoded.dictionary_encode()
        _, units = np.unique(dictionary.indices.fill_null(-1).to_numpy(zero_copy_only=False), return_inverse=True)
    else:
        units = np.arange(rows.num_rows)
    num_units = int(units.max()) + 1
    count = min(NUM_BLOCKS, num_units)
    block = np.random.default_rng(seed).permutation(num_units) % count
    return [np.flatnonzero(block[units] == index) for index in range(count)]


def permutation_importance(
    features: FeatureSet,
    rows: Rows,
    judge: Judge,
    results: Mapping[str, tuple[str, str]],
    way: str,
    repeats: int,
    seed: int,
    tell: Callable[[str], None] = lambda part: None,
) -> list[Importance]:
    """Permutes each part of the inputs over the rows and measures again (Breiman 2001; Fisher et al. 2019).

    The interval is Student's, from the differences in each of 20 blocks of rows, which hold what chance does both by
    the rows and by the permutations. A part that the model does not read has exactly 0.

    Args:
        features: of the model.
        rows: encoded, with labels.
        judge: measures them.
        results: of `chosen_results`.
        way: one of `WAYS`.
        repeats: permutations of each part.
        seed: of blocks and permutations; those of a part do not depend on which others there are.
        tell: is told each part before it is measured.

    Returns:
        Task by task, the most important part first.
    """
    numbers = into_blocks(rows, seed)
    before = judge([rows.take(block) for block in numbers])
    found: list[Importance] = []
    for part, members in parts_of(features, way).items():
        tell(part)
        changes = []
        for repeat in range(repeats):
            order = np.random.default_rng([seed, zlib.crc32(part.encode()), repeat]).permutation(rows.num_rows)
            permuted = exchanged(rows, features, members, order)
            changes.append(judge([permuted.take(block) for block in numbers]) - before)
        mean = np.mean(changes, axis=0)
        for index, (task, (result, kind)) in enumerate(results.items()):
            half = _half_width(mean[1:, index])
            loss, value = float(mean[0, index]), float(before[0, index])
            value = -value if badness(1.0, kind) < 0 else value
            found.append(Importance(task, part, result, value, loss, loss - half, loss + half))
    places = {task: place for place, task in enumerate(results)}
    return sorted(found, key=lambda one: (places[one.task], -one.loss if one.loss == one.loss else np.inf, one.part))


def _half_width(changes: np.ndarray) -> float:
    """Returns half the width of the interval of the mean of changes by block; NaN with fewer than 2 of them."""
    defined = changes[np.isfinite(changes)]
    if len(defined) < 2:
        return float("nan")
    return float(_STUDENT[len(defined) - 2] * np.std(defined, ddof=1) / np.sqrt(len(defined)))
