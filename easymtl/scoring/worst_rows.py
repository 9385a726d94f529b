"""The rows on which a model is most wrong: of each task those with the largest loss."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.tasks.evaluation import prediction_name
from easymtl.tasks.task import Task

OWN_COLUMNS = ("task", "rank", "row", "label", "score", "loss")
_SMALLEST_PROBABILITY = 1e-7


def row_losses(task: Task, labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how wrong each prediction is, and the score that it is wrong by, `[n]` each, float64.

    Of the probability of an event -log p of what happened, in nats; of classes -log of the probability of the right
    one, which is the score; of values the squared error, behind the task's `label_transform` where it has one. It needs
    nothing but what a SavedModel gives.

    Args:
        task: whose predictions they are.
        labels: `[n]`, NaN where missing: the loss is NaN, too.
        predictions: `[n]` or `[n, num_class]`.
    """
    labels, scores = labels.astype(np.float64), predictions.astype(np.float64)
    if scores.ndim == 2 and task.predicted == "classes":
        classes = np.nan_to_num(labels).astype(np.int64).clip(0, scores.shape[1] - 1)
        scores = scores[np.arange(len(scores)), classes]
        return np.where(np.isnan(labels), np.nan, -np.log(np.maximum(scores, _SMALLEST_PROBABILITY))), scores
    if task.output.is_probability:
        scores = scores[:, 1] if scores.ndim == 2 else scores
        kept = np.clip(scores, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
        happened = np.clip(labels, 0, 1)
        return -(happened * np.log(kept) + (1 - happened) * np.log1p(-kept)), scores
    forward = task.transform.forward if task.transform else tf.identity
    values = [np.asarray(forward(tf.constant(one, tf.float32)), np.float64) for one in (labels, scores)]
    return np.square(values[1] - values[0]), scores


class WorstRows:
    """Keeps the rows with the largest loss of each task, see `evaluation.Collector`; never more than twice as many.

    Rows without a label, or with the weight 0 in the task, do not count.

    Attributes:
        fields: the raw columns that are kept with them.
    """

    def __init__(self, tasks: Sequence[Task], number: int, fields: Sequence[str]):
        """Has no row yet.

        Args:
            tasks: of the model.
            number: rows of each task.
            fields: raw columns.
        """
        self.fields: Sequence[str] = list(fields)
        self._tasks = list(tasks)
        self._number = number
        self._found: dict[str, pa.Table] = {}
        self._num_rows = 0

    def add(
        self, predictions: Mapping[str, np.ndarray], numbers: Mapping[str, np.ndarray], columns: Mapping[str, pa.Array]
    ) -> None:
        """Looks at a batch."""
        num_rows = len(next(iter(numbers.values())))
        for task in self._tasks:
            measure = task.measures[0]
            labels = np.asarray(measure.labels(numbers), np.float32)
            losses, scores = row_losses(task, labels, np.asarray(predictions[prediction_name(task, measure)]))
            counted = np.flatnonzero(np.isfinite(losses) & (np.asarray(task.weights(numbers)) > 0))
            places = counted[np.argsort(-losses[counted], kind="stable")[: self._number]]
            own = (places + self._num_rows, labels[places], scores[places], losses[places])
            table = pa.table(
                {
                    **{name: pa.array(values) for name, values in zip(OWN_COLUMNS[2:], own)},
                    **{self._name(field): _plain(columns[field].take(pa.array(places))) for field in self.fields},
                }
            )
            self._found[task.name] = self._worst(pa.concat_tables([*self._before(task), table]))
        self._num_rows += num_rows

    def _before(self, task: Task) -> list[pa.Table]:
        return [self._found[task.name]] if task.name in self._found else []

    def _worst(self, table: pa.Table) -> pa.Table:
        order = np.argsort(-table.column("loss").to_numpy(), kind="stable")[: self._number]
        return table.take(pa.array(order))

    def _name(self, field: str) -> str:
        return f"input_{field}" if field in OWN_COLUMNS else field

    def table(self) -> pa.Table:
        """Returns the rows, task by task, the most wrong first.

        `task`, `rank` from 1, `row` among the rows that were scored from 0, `label`, `score`, `loss`, and the raw
        columns, which are called `input_<name>` where they have one of these names.
        """
        parts = []
        for name, table in self._found.items():
            ranks = np.arange(1, table.num_rows + 1)
            parts.append(
                table.add_column(0, "rank", pa.array(ranks)).add_column(
                    0, "task", pa.array([name] * len(ranks), pa.string())
                )
            )
        return pa.concat_tables(parts).combine_chunks()


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
