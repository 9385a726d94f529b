"""The scores of an evaluation row by row, beside labels, weights and any columns of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.tasks.evaluation import codes, compact, metric_inputs, prediction_name
from easymtl.tasks.measures import Measure
from easymtl.tasks.metrics import MetricInputs
from easymtl.tasks.task import Task
from easymtl.tasks.tower_metrics import Metric, build_metrics

_DEFAULT_METRICS = {"binary": ("auc", "log_loss"), "classes": ("accuracy",), "value": ("mean_squared_error",)}


@dataclass(frozen=True)
class Scored:
    """What a task has predicted, and what it is held against.

    Attributes:
        task: whose prediction it is.
        measure: which of its predictions.
        labels: `[n]` float32, NaN where missing.
        predictions: `[n]` float32: probabilities or values, or `[n, num_class]` probabilities.
        weights: `[n]` float32, of the task: 0 where a row is out of its space.
        stands_for: `[n]` float32, how many rows each row stands for; None where each is one.
    """

    task: Task
    measure: Measure
    labels: np.ndarray
    predictions: np.ndarray
    weights: np.ndarray
    stands_for: np.ndarray | None = None

    @property
    def metrics(self) -> list[Metric]:
        """Returns the metrics of the task; of one without a metrics_set those that anyone would look at."""
        if self.task.metrics:
            return self.task.metrics
        entries = []
        for name in _DEFAULT_METRICS[self.task.predicted]:
            entry = EvalMetrics()
            getattr(entry, name).SetInParent()
            entries.append(entry)
        return build_metrics(entries, self.task.predicted, self.task.num_outputs, f'Task tower "{self.task.name}"')


class ScoredRows:
    """Keeps the scores of an evaluation, see `evaluation.Collector`: 12 bytes a row for each task, and the columns.

        rows = ScoredRows(tasks, ["city"])
        evaluate(pipeline, tasks, scorer, collectors=[rows])
        rows.scored[0].predictions, rows.column("city")

    Attributes:
        columns: the fields that were asked for.
        fields: those, and the groups of metrics.
        num_rows: rows so far.
    """

    def __init__(self, tasks: Sequence[Task], columns: Sequence[str] = ()):
        self.columns = list(dict.fromkeys(columns))
        keys = [metric.key_field for task in tasks for metric in task.metrics if metric.key_field]
        self.fields: Sequence[str] = list(dict.fromkeys([*self.columns, *keys]))
        self.num_rows = 0
        self._measured = [(task, measure) for task in tasks for measure in task.measures]
        self._parts: dict[str, list[tuple[np.ndarray, ...]]] = {measure.name: [] for _, measure in self._measured}
        self._columns: dict[str, list[pa.Array]] = {field: [] for field in self.fields}

    def add(
        self, predictions: Mapping[str, np.ndarray], numbers: Mapping[str, np.ndarray], columns: Mapping[str, pa.Array]
    ) -> None:
        """Adds a batch."""
        for task, measure in self._measured:
            parts = [measure.labels(numbers), predictions[prediction_name(task, measure)], task.weights(numbers)]
            if measure.stands_for:
                parts.append(measure.stands_for(numbers))
            self._parts[measure.name].append(tuple(np.asarray(part, np.float32) for part in parts))
        for field, chunks in self._columns.items():
            column = columns[field]
            is_text = pa.types.is_dictionary(column.type) or pa.types.is_string(column.type)
            chunks.append(compact(column) if is_text else column)
        self.num_rows += len(next(iter(numbers.values())))

    @cached_property
    def scored(self) -> list[Scored]:
        """Returns the predictions of all tasks; a task with a parent has a second one."""
        return [
            Scored(task, measure, *map(np.concatenate, zip(*self._parts[measure.name])))
            for task, measure in self._measured
            if self._parts[measure.name]
        ]

    def column(self, field: str) -> pa.Array:
        """Returns a column of the data `[n]`; texts as a dictionary and indices."""
        joined = pa.chunked_array(self._columns[field])
        if pa.types.is_dictionary(joined.type):
            joined = joined.unify_dictionaries()
        return joined.combine_chunks() if joined.num_chunks != 1 else joined.chunk(0)

    def inputs(self, scored: Scored, metric: Metric, rows: np.ndarray | None = None) -> MetricInputs:
        """Returns what a metric is computed on.

        Args:
            scored: a prediction.
            metric: one of its metrics.
            rows: `[n]` booleans or `[m]` places of the rows that are looked at; None for all of them.

        Raises:
            UndefinedMetric: none of them counts.
        """
        chosen = slice(None) if rows is None else rows
        groups = self._groups[metric.key_field][chosen] if metric.key_field else None
        arrays = (scored.labels[chosen], scored.predictions[chosen], scored.weights[chosen])
        stands_for = scored.stands_for[chosen] if scored.stands_for is not None else None
        return metric_inputs(metric, scored.task.label, *arrays, groups, stands_for)

    @cached_property
    def _groups(self) -> dict[str, np.ndarray]:
        keys = [
            field for field in self.fields if any(field == m.key_field for t, _ in self._measured for m in t.metrics)
        ]
        return {field: codes([compact(chunk) for chunk in self._columns[field]]) for field in keys}
