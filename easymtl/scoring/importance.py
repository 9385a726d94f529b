"""Permutation importance: how much worse a model scores when a feature is that of another row."""

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet
from easymtl.scoring.importance_rows import Blocks
from easymtl.scoring.judging import Criterion, Judge, Judgement
from easymtl.scoring.parts import exchanged, parts_of

# Student's 97.5% quantiles for 1, 2, ... degrees of freedom.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclass(frozen=True)
class Importance:
    """What a part of the inputs is worth to a task.

    Attributes:
        task: name of the tower.
        part: the feature, input field or group.
        metric: the result that is compared, such as `auc_ctr`, or `loss_ctr`.
        value: the metric of the rows as they are; of a calibration its distance from 1.
        loss: how much worse it is with the part permuted, the mean over repeats; above 0 where the part helps, NaN
            where the metric is not defined then.
        low: lower end of the 95% confidence interval of it; NaN where there is none.
        high: upper end.
    """

    task: str
    part: str
    metric: str
    value: float
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """What all parts are worth.

    Attributes:
        found: task by task, the most important part first; those whose loss is not defined last.
        warnings: a sentence for what is not defined, and is left out or NaN.
    """

    found: tuple[Importance, ...]
    warnings: tuple[str, ...]


def permutation_importance(
    features: FeatureSet,
    blocks: Blocks,
    judge: Judge,
    way: str,
    repeats: int,
    seed: int,
    tell: Callable[[str], None] = lambda part: None,
) -> Ranking:
    """Permutes each part of the inputs over the rows and measures again (Breiman 2001; Fisher et al. 2019).

    The interval is that of the jackknife (Tukey 1958): blocks of rows are left out one by one, and how the difference
    moves holds what chance does both by the rows and by the permutations. A part that the model does not read has
    exactly 0.

    Args:
        features: of the model.
        blocks: encoded rows with labels.
        judge: measures them.
        way: one of `names.IMPORTANCE_WAYS`.
        repeats: permutations of each part.
        seed: of the permutations; those of a part do not depend on which others there are.
        tell: is told each part before it is measured.

    Raises:
        UserError: the rows determine no metric of any task.
    """
    before = judge(blocks.rows, blocks.bounds)
    warnings = dict.fromkeys(before.reasons.values())
    if np.isnan(before.whole).all():
        raise UserError(
            f"no task can be judged by these {len(blocks.rows):,} rows. {' '.join(warnings)} Name other data or more "
            "of it (--input, --rows), or another --metric."
        )
    found: list[Importance] = []
    for part, members in parts_of(features, way).items():
        tell(part)
        after = []
        for repeat in range(repeats):
            order = np.random.default_rng([seed, zlib.crc32(part.encode()), repeat]).permutation(len(blocks.rows))
            after.append(judge(exchanged(blocks.rows, features, members, order), blocks.bounds))
        for index, criterion in enumerate(judge.criteria):
            if not math.isnan(before.whole[index]):
                found.append(_importance(part, criterion, index, before, after))
                reasons = [one.reasons[criterion.result] for one in after if criterion.result in one.reasons]
                warnings |= dict.fromkeys(f'"{part}" permuted: {reason}' for reason in reasons[:1])
    places = {criterion.task: place for place, criterion in enumerate(judge.criteria)}
    found.sort(key=lambda one: (places[one.task], math.isnan(one.loss), -one.loss, one.part))
    return Ranking(tuple(found), tuple(warnings))


def _importance(
    part: str, criterion: Criterion, index: int, before: Judgement, after: Sequence[Judgement]
) -> Importance:
    """Returns what a part is worth to the task of a criterion."""
    loss = float(np.mean([one.whole[index] - before.whole[index] for one in after]))
    half = half_width(loss, np.mean([one.without[:, index] - before.without[:, index] for one in after], axis=0))
    value = criterion.shown(float(before.whole[index]))
    return Importance(criterion.task, part, criterion.result, value, loss, loss - half, loss + half)


def half_width(value: float, without: np.ndarray) -> float:
    """Returns half the width of the 95% interval of a value by its values `[blocks]` without a block of the rows.

    A block without which it is not defined does not count; NaN with fewer than 2 others.
    """
    defined = without[np.isfinite(without)]
    count = len(defined)
    if count < 2:
        return math.nan
    pseudo = count * value - (count - 1) * defined
    return float(_STUDENT[count - 2] * np.std(pseudo, ddof=1) / math.sqrt(count))
