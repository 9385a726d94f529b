"""Metrics of parts of the rows: by the values of a column, numbers cut into ranges of about equal count."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.scoring.bootstrap import Estimate, estimate
from easymtl.scoring.scored_rows import Scored, ScoredRows
from easymtl.tasks.metrics import UndefinedMetric
from easymtl.tasks.tower_metrics import Metric

MOST_VALUES = 20
"""Values of a column that have a segment of their own: the most frequent ones; the others are one together."""
MOST_NUMBERS = 24
"""Distinct numbers up to which each is a value, as hours are, and not a part of a range."""
NUM_RANGES = 10
MISSING, OTHERS = "(missing)", "(others)"


@dataclass(frozen=True)
class Cut:
    """A column as segments.

    Attributes:
        names: of the segments, in the order in which they are shown.
        codes: `[n]`, the segment of each row.
    """

    names: list[str]
    codes: np.ndarray


@dataclass(frozen=True)
class Segment:
    """A metric of the rows of a segment.

    Attributes:
        column: by which rows were cut.
        value: the value of the column, a range of numbers, or all others.
        rows: of the segment, with a label or without.
        task: name of the tower.
        result: the metric as reports name it: `auc_ctr`.
        metric: the metric alone: `auc`.
        estimate: of the metric; NaN where the rows do not determine it.
        mean_label: of the rows with a label; NaN for several classes, or without such rows.
        mean_score: of these rows.
    """

    column: str
    value: str
    rows: int
    task: str
    result: str
    metric: str
    estimate: Estimate
    mean_label: float
    mean_score: float


def cut(column: pa.Array, most: int = MOST_VALUES) -> Cut:
    """Returns a column as segments.

    Numbers of more than 24 values become 10 ranges, by their quantiles; other columns of more than `most` values keep
    the most frequent ones, and the others are one segment. Lists are what they hold, as a text.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type) or not _is_number(column.type):
        return _by_value(_as_text(column), most, is_number=False)
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    if pc.count_distinct(column).as_py() <= MOST_NUMBERS:
        return _by_value(column, MOST_NUMBERS, is_number=True)
    return _by_range(column)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type):
        column = pa.array(["|".join(map(str, one or ())) for one in column.to_pylist()], pa.string())
    column = column.cast(pa.string())
    return pc.if_else(pc.equal(column, ""), None, column)


def _by_value(column: pa.Array, most: int, is_number: bool) -> Cut:
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    places = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    sizes = np.bincount(places, minlength=len(values) + 1)
    frequent = sorted(range(len(values)), key=lambda one: (-sizes[one], str(values[one])))[:most]
    if is_number or _are_numbers([values[one] for one in frequent]):
        frequent.sort(key=lambda one: float(values[one]))
    chosen = [values[one] for one in frequent]
    names = _shown(chosen, 6) if pa.types.is_floating(column.type) else list(map(str, chosen))
    codes = np.full(len(values) + 1, len(names))
    codes[frequent] = np.arange(len(names))
    codes[-1] = len(names) + (len(frequent) < len(values))
    names += [OTHERS] * (len(frequent) < len(values)) + [MISSING] * bool(sizes[-1])
    return Cut(names, codes[places])


def _are_numbers(texts: Sequence[str]) -> bool:
    """Returns whether texts are best sorted as the whole numbers that they are."""
    return bool(texts) and all(isinstance(text, str) and text.isascii() and text.isdigit() for text in texts)


def _by_range(column: pa.Array) -> Cut:
    missing = column.is_null().to_numpy(zero_copy_only=False)
    numbers = column.cast(pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
    borders = np.unique(np.quantile(numbers[~missing], np.linspace(0, 1, NUM_RANGES + 1), method="higher"))
    codes = np.searchsorted(borders[1:-1], numbers, side="right")
    last = len(borders) - 2
    shown = enumerate(pairwise(_shown(borders.tolist(), 4)))
    names = [f"{low} to {'<' if i < last else ''}{high}" for i, (low, high) in shown]
    codes[missing] = len(names)
    return Cut(names + [MISSING] * bool(missing.any()), codes)


def _shown(numbers: Sequence[float], digits: int) -> list[str]:
    """Returns distinct numbers as distinct texts: whole ones whole, others with so many digits, or more if need be."""
    for enough in (digits, 9, 17):
        texts = [f"{one:.0f}" if one == round(one) and abs(one) < 1e15 else f"{one:.{enough}g}" for one in numbers]
        if len(set(texts)) == len(texts):
            break
    return texts


def segments(rows: ScoredRows, column: str, most: int = MOST_VALUES) -> list[Segment]:
    """Returns every metric of every task by the segments of a column, task by task.

    Args:
        rows: of an evaluation, which have kept the column.
        column: its name.
        most: see `cut`.
    """
    parts = cut(rows.column(column), most)
    members = [np.flatnonzero(parts.codes == code) for code in range(len(parts.names))]
    return [
        segment
        for scored in rows.scored
        for metric in scored.metrics
        for name, places in zip(parts.names, members)
        if len(places)
        for segment in (_segment(rows, scored, metric, column, name, places),)
    ]


def _segment(rows: ScoredRows, scored: Scored, metric: Metric, column: str, name: str, places: np.ndarray) -> Segment:
    try:
        found = estimate(metric, rows.inputs(scored, metric, places))
    except UndefinedMetric:
        found = Estimate(float("nan"))
    labels, scores = scored.labels[places], scored.predictions[places]
    has_label = ~np.isnan(labels)
    is_plain = scores.ndim == 1 and has_label.any()
    often = scored.stands_for[places][has_label] if scored.stands_for is not None else None
    means = [_mean(one[has_label], often) if is_plain else float("nan") for one in (labels, scores)]
    result = f"{metric.name}_{scored.measure.name}"
    return Segment(column, name, len(places), scored.task.name, result, metric.name, found, *means)


def _mean(numbers: np.ndarray, stands_for: np.ndarray | None) -> float:
    """Returns the mean of numbers, each as often as it stands for rows, where data kept a share of the negatives."""
    return float(np.average(numbers.astype(np.float64), weights=stands_for))
