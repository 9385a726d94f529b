"""Gathers labels and predictions batch by batch and computes every metric of every task at the end."""

import math
from collections.abc import Collection, Sequence
from contextlib import suppress

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.config.names import SUMMARIES
from easymtl.errors import UserError
from easymtl.tasks.measures import Measure
from easymtl.tasks.metrics import MetricInputs, UndefinedMetric
from easymtl.tasks.task import Task
from easymtl.tasks.threshold_counts import ThresholdCounts, threshold_counts
from easymtl.tasks.tower_metrics import Metric


class Evaluation:
    """One pass over the evaluation data.

        evaluation = Evaluation(tasks)
        evaluation.add(predictions, numbers, keys)   # for each batch
        evaluation.result()                          # {"auc_is_click": 0.71, ...}
        evaluation.warnings                          # metrics that the data do not determine, and why

    Plain metrics count every row that has a label, once each; `weighted` ones count rows by the task's sample
    weights and space. In both a negative stands for 1 / r rows where the data kept a share r of the negatives. All
    rows stay in memory: about 8 bytes a row for each task, 4 more for each weighted or sampled task and each key.

    Attributes:
        metrics: every metric by its full name, `<metric>_<task>`; of a task with a parent see `view.result_names`,
            of a final score `view.scored_for`.
        key_fields: fields whose values `add` needs beside the predictions.
        warnings: after `result`, one sentence for each metric that is NaN.
    """

    def __init__(self, tasks: Sequence[Task], only: Collection[str] | None = None, scores: Sequence[str] = ()):
        """Starts a pass.

        Args:
            tasks: have metrics.
            only: full names of the metrics that are computed; None for all of them.
            scores: names of final scores. Each has those metrics of every task that depend on the order of rows
                alone, `auc_<score>_for_<task>`, and its own `mean_<score>`, `min_<score>` and `max_<score>`.
        """
        every = [
            (task, measure, metric, f"{metric.name}_{measure.name}")
            for task in tasks
            for measure in (task.measures if task.metrics else ())
            for metric in task.metrics
        ]
        every += [
            (task, measure, metric, f"{metric.name}_{measure.name}")
            for score in scores
            for task in tasks
            for metric in task.metrics
            for measure in (_of_score(score, task),)
            if metric.is_of_order
        ]
        self._scores: dict[str, list[np.ndarray]] = {score: [] for score in scores}
        self._computed = [one for one in every if only is None or one[3] in only]
        self._measured = list({measure.name: (task, measure) for task, measure, *_ in self._computed}.values())
        self.metrics = {name: metric for *_, metric, name in self._computed}
        self.key_fields = list(dict.fromkeys(m.key_field for m in self.metrics.values() if m.key_field))
        self.warnings: list[str] = []
        self._labels: dict[str, list[np.ndarray]] = {measure.name: [] for _, measure in self._measured}
        self._predictions: dict[str, list[np.ndarray]] = {measure.name: [] for _, measure in self._measured}
        self._weights: dict[str, list[np.ndarray]] = {measure.name: [] for _, measure in self._measured}
        sampled = [measure.name for _, measure in self._measured if measure.stands_for]
        self._stands_for: dict[str, list[np.ndarray]] = {name: [] for name in sampled}
        self._keys: dict[str, list[pa.Array]] = {field: [] for field in self.key_fields}

    def add(
        self,
        predictions: dict[str, np.ndarray],
        numbers: dict[str, np.ndarray],
        keys: dict[str, pa.Array] | None = None,
    ) -> None:
        """Adds a batch.

        Args:
            predictions: what `Task.predictions` returns, by name.
            numbers: the number columns by name, `[batch]` each, NaN where missing.
            keys: the key fields by name, `[batch]` each; a null is a key like any other.
        """
        for score, values in self._scores.items():
            if score not in predictions:
                raise UserError(
                    f'The SavedModel has no output "{score}", which export_config.final_score of the config makes: '
                    "export again, or evaluate with the config that it was exported with."
                )
            values.append(np.asarray(predictions[score], np.float32))
        for task, measure in self._measured:
            prediction = predictions[prediction_name(task, measure)]
            self._labels[measure.name].append(np.asarray(measure.labels(numbers), np.float32))
            self._predictions[measure.name].append(np.asarray(prediction, np.float32))
            if measure.stands_for:
                self._stands_for[measure.name].append(np.asarray(measure.stands_for(numbers), np.float32))
            if _is_weighted(task):
                self._weights[measure.name].append(np.asarray(task.weights(numbers)))
        for field in self.key_fields:
            self._keys[field].append(compact((keys or {})[field]))

    def measured(self) -> dict[str, MetricInputs]:
        """Returns the rows that count for each metric, by its full name; those that no row counts for are left out."""
        groups = self._gathered()
        found = {}
        for task, measure, metric, name in self._computed:
            with suppress(UndefinedMetric):
                found[name] = self._inputs(task, measure, metric, groups)
        return found

    def _gathered(self) -> dict[str, np.ndarray]:
        """Joins what batches have brought, and returns the groups of the rows by key field."""
        for gathered in (self._labels, self._predictions, self._weights, self._stands_for):
            for name, chunks in gathered.items():
                gathered[name] = [_joined(chunks)]
        return {field: codes(chunks) for field, chunks in self._keys.items()}

    def result(self) -> dict[str, float]:
        """Returns every metric by its full name; NaN, with a warning, where the rows do not determine it."""
        groups = self._gathered()
        self.warnings = []
        metrics = {name: self._compute(task, measure, metric, groups) for task, measure, metric, name in self._computed}
        return metrics | self._summaries()

    def thresholds(self) -> dict[str, ThresholdCounts]:
        """Returns, of each prediction of an event that metrics are computed on, how it decides at every threshold.

        Rows without a label do not count. What has no row that does, or a prediction that is not finite, is left out.
        """
        found: dict[str, ThresholdCounts] = {}
        for task, measure in self._measured:
            labels, predictions = _joined(self._labels[measure.name]), _joined(self._predictions[measure.name])
            if predictions.ndim == 2 and predictions.shape[1] == 2:
                predictions = predictions[:, 1]
            if not task.output.is_probability or measure.prediction or predictions.ndim == 2:
                continue
            counted = ~np.isnan(labels)
            if counted.any() and np.isfinite(predictions[counted]).all():
                stands_for = _joined(self._stands_for[measure.name])[counted] if measure.stands_for else None
                found[measure.name] = threshold_counts(labels[counted] > 0, predictions[counted], stands_for)
        return found

    def _summaries(self) -> dict[str, float]:
        """Returns mean, least and largest of each final score; NaN, with a warning, where some row has no number."""
        result: dict[str, float] = {}
        for score, chunks in self._scores.items():
            numbers = _joined(chunks).astype(np.float64)
            names = [f"{summary}_{score}" for summary in SUMMARIES]
            try:
                values = [*_summary(_finite(numbers))]
            except UndefinedMetric as reason:
                self.warnings.append(f"{', '.join(names)} are not defined: {reason}.")
                values = [math.nan] * len(names)
            result |= dict(zip(names, values))
        return result

    def _compute(self, task: Task, measure: Measure, metric: Metric, groups: dict[str, np.ndarray]) -> float:
        try:
            return metric.kind.compute(self._inputs(task, measure, metric, groups))
        except UndefinedMetric as reason:
            self.warnings.append(f"{metric.name}_{measure.name} is not defined: {reason}.")
            return math.nan

    def _inputs(self, task: Task, measure: Measure, metric: Metric, groups: dict[str, np.ndarray]) -> MetricInputs:
        """Returns the rows that count for a metric.

        Raises:
            UndefinedMetric: when there are none.
        """
        (labels,), (predictions,) = self._labels[measure.name], self._predictions[measure.name]
        weights = self._weights[measure.name][0] if metric.weighted else None
        stands_for = self._stands_for[measure.name][0] if measure.stands_for else None
        groups_of_rows = groups[metric.key_field] if metric.key_field else None
        return metric_inputs(metric, task.label, labels, predictions, weights, groups_of_rows, stands_for)


def metric_inputs(
    metric: Metric,
    label: str,
    labels: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray | None,
    groups: np.ndarray | None,
    stands_for: np.ndarray | None = None,
) -> MetricInputs:
    """Returns those of some rows that count for a metric.

    Args:
        metric: what is to be computed.
        label: name of the label, for a message.
        labels: `[n]`, NaN where missing.
        predictions: `[n]`, or `[n, num_class]`.
        weights: `[n]` of a weighted metric; others do not look at them.
        groups: `[n]` of a metric with groups.
        stands_for: `[n]`, how many rows each row stands for; None where it is one.

    Raises:
        UndefinedMetric: no row counts, or predictions are not finite.
    """
    rows = ~np.isnan(labels)
    if not rows.any():
        raise UndefinedMetric(f'no row has a label "{label}"')
    if predictions.ndim == 2 and metric.of_second_class:
        predictions = predictions[:, 1]
    counted = _row_weights(stands_for, weights if metric.weighted else None)
    if counted is not None:
        rows &= counted > 0
        counted = counted[rows]
        if not len(counted):
            raise UndefinedMetric("no labelled row has a sample weight above 0")
    return MetricInputs(
        labels=labels[rows].astype(np.float64),
        predictions=_finite(predictions[rows].astype(np.float64)),
        weights=counted,
        groups=groups[rows] if groups is not None and metric.key_field else None,
        parameters=metric.parameters,
    )


def _row_weights(*factors: np.ndarray | None) -> np.ndarray | None:
    """Returns what each row counts for, float64 `[n]`; None where it is 1 for all of them."""
    given = [factor for factor in factors if factor is not None]
    return np.prod(np.asarray(given, np.float64), axis=0) if given else None


def _of_score(score: str, task: Task) -> Measure:
    """Returns a final score as it is held against the labels of a task over all rows."""
    own = task.measures[0]
    name = view.scored_for(score, own.name)
    return Measure(name, own.output, own.labels, prediction=score, stands_for=own.stands_for)


def _summary(numbers: np.ndarray) -> tuple[float, ...]:
    """Returns what `SUMMARIES` name of numbers `[n]`."""
    if not len(numbers):
        raise UndefinedMetric("there is no row")
    return float(numbers.mean()), float(numbers.min()), float(numbers.max())


def prediction_name(task: Task, measure: Measure) -> str:
    """Returns the name of the prediction that a measure of a task is of."""
    if measure.prediction:
        return measure.prediction
    return f"probs_{measure.output}" if task.output.is_probability else f"y_{measure.output}"


def _is_weighted(task: Task) -> bool:
    return any(metric.weighted for metric in task.metrics)


def _finite(predictions: np.ndarray) -> np.ndarray:
    num_bad = int((~np.isfinite(predictions)).sum())
    if num_bad:
        raise UndefinedMetric(f"{num_bad} of {predictions.size} predictions are NaN or infinite")
    return predictions


def _joined(chunks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def compact(keys: pa.Array) -> pa.DictionaryArray:
    """Returns the keys with a dictionary of their own, not that of the file block that they came from."""
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    if pa.types.is_dictionary(keys.type):
        keys = keys.dictionary_decode()
    return keys.dictionary_encode()


def codes(chunks: list[pa.DictionaryArray]) -> np.ndarray:
    """Returns one integer per row, equal for equal keys, -1 for null."""
    if not chunks:
        return np.zeros(0, np.int32)
    unified = pa.chunked_array(chunks).unify_dictionaries().chunks
    return np.concatenate([chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in unified])
