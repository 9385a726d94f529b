"""What the labels of a task may be, checked as rows are read: a wrong one would train without a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from easymtl.config import view
from easymtl.data.bad_values import BadValues
from easymtl.data.rows import TOLD, Rows
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline

_OF_ONE_EVENT = {
    LossType.CLASSIFICATION,
    LossType.CROSS_ENTROPY_LOSS,
    LossType.BINARY_CROSS_ENTROPY_LOSS,
    LossType.KL_DIVERGENCE_LOSS,
    LossType.BINARY_FOCAL_LOSS,
    LossType.F1_REWEIGHTED_LOSS,
}
_OF_CLASSES = {LossType.CLASSIFICATION, LossType.JRC_LOSS}

_LABELLED = f"{TOLD}labels"
"""Whether a row has each of the labels, `[n, fields]` bool."""


class RowEncoder(Protocol):
    """Turns record batches that hold `fields` into rows."""

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, one for one."""


@dataclass(frozen=True)
class LabelRule:
    """What the label of a tower may be; a missing one is always allowed.

    Attributes:
      tower: name of the tower.
      field: the label field.
      num_classes: 0 for any number, 1 for one event, whose label is a number in [0, 1], more for the number of a class.
    """

    tower: str
    field: str
    num_classes: int

    def is_bad(self, labels: np.ndarray) -> np.ndarray:
        """Tells of labels `[n]`, NaN where missing, which are not allowed."""
        if not self.num_classes:
            return np.zeros(len(labels), bool)
        most = max(self.num_classes - 1, 1)
        bad = (labels < 0) | (labels > most)
        return bad | (np.isfinite(labels) & (labels != np.floor(labels))) if self.num_classes > 1 else bad

    def problem(self, value: object) -> str:
        """Returns what to say of a value that is not allowed."""
        if self.num_classes == 1:
            allowed = "0, 1, or a probability between them is allowed. A number is learned with loss_type: L2_LOSS"
        else:
            last = self.num_classes - 1
            allowed = f"whole numbers from 0 to {last} are allowed (num_class is {self.num_classes})"
        return f'column "{self.field}" holds {value}, the label of the tower "{self.tower}": {allowed}.'


def label_rules(pipeline: Pipeline) -> list[LabelRule]:
    """Returns the rule of each tower, in the order of the config."""
    rules = []
    for index, tower in enumerate(view.task_towers(pipeline)):
        losses = {loss.loss_type for loss in tower.losses} or {tower.loss_type}
        is_classes = tower.num_class > 1 and losses & _OF_CLASSES
        is_event = tower.num_class == 1 and losses & _OF_ONE_EVENT
        num_classes = tower.num_class if is_classes else int(bool(is_event))
        rules.append(LabelRule(tower.tower_name, view.label_name(pipeline, index), num_classes))
    return rules


class LabelCheck:
    """An encoder that checks labels; may be called from several threads at once.

    Attributes:
      num_labels: label field -> rows counted so far that have it.
    """

    def __init__(self, encoder: RowEncoder, rules: Sequence[LabelRule]):
        self.num_labels: dict[str, int] = {rule.field: 0 for rule in rules}
        self._encoder = encoder
        self._rules = tuple(rules)

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""
        return self._encoder.fields

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, whose labels are all allowed, with a column that tells which they have.

        Raises:
          BadValues: one is not.
        """
        labels = read_labels(batch, self._rules)
        rows = self._encoder(batch)
        if self.num_labels:
            rows.columns[_LABELLED] = np.stack([~np.isnan(labels[field]) for field in self.num_labels], axis=1)
        return rows

    def count(self, rows: Rows) -> None:
        """Counts the labels of rows that have been used."""
        numbers = np.asarray(rows[_LABELLED]).sum(axis=0) if self.num_labels else []
        for field, number in zip(self.num_labels, numbers):
            self.num_labels[field] += int(number)

    def unlabelled(self) -> list[LabelRule]:
        """Returns the rules of the towers that no counted row has a label of."""
        return [rule for rule in self._rules if not self.num_labels[rule.field]]


def read_labels(batch: pa.RecordBatch, rules: Sequence[LabelRule]) -> dict[str, np.ndarray]:
    """Returns the labels of a batch by field, `[n]` float32 each, NaN where missing.

    Raises:
      BadValues: one is not allowed.
    """
    columns = [NumberColumn(field, field) for field in dict.fromkeys(rule.field for rule in rules)]
    numbers = read_numbers(batch, columns)
    labels = {column.name: numbers[:, place] for place, column in enumerate(columns)}
    for rule in rules:
        bad = np.flatnonzero(rule.is_bad(labels[rule.field]))
        if len(bad):
            first, *others = dict.fromkeys(batch.column(rule.field).take(pa.array(bad)).to_pylist())
            raise BadValues(rule.field, first, others, rule.problem(first))
    return labels
