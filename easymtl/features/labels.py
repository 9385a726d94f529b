"""What labels and weights may be, checked as rows are read: a wrong one would train without a word."""

import dataclasses
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.config import view
from easymtl.data.bad_values import BadValues
from easymtl.data.rows import TOLD, Rows
from easymtl.features.factors import Factor, tower_factors
from easymtl.features.numbers import Known, NumberColumn, read_numbers
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import KD, LabelTransform, TaskTower

_OF_ONE_EVENT = {
    LossType.CLASSIFICATION,
    LossType.CROSS_ENTROPY_LOSS,
    LossType.BINARY_CROSS_ENTROPY_LOSS,
    LossType.KL_DIVERGENCE_LOSS,
    LossType.BINARY_FOCAL_LOSS,
    LossType.F1_REWEIGHTED_LOSS,
}
_OF_CLASSES = {LossType.CLASSIFICATION, LossType.JRC_LOSS}

_COUNTED = f"{TOLD}labels"
"""Whether a row has each label, and counts by each factor of each tower and by all of them, `[n, K]` bool."""


class RowEncoder(Protocol):
    """Turns record batches that hold `fields` into rows."""

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""

    @property
    def items(self) -> Sequence[str]:
        """Returns those of them that may come as lists of items, see `open_source`."""

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, one for one."""


class NumbersEncoder(RowEncoder, Protocol):
    """One that need not read numbers which somebody has read."""

    def __call__(self, batch: pa.RecordBatch, known: Known | None = None) -> Rows:
        """Returns the rows of a batch, one for one; `known` are numbers of it that have been read."""


@dataclass(frozen=True)
class LabelRule:
    """What the label of a tower may be, and which rows count for it; a missing label is always allowed.

    Attributes:
        tower: name of the tower.
        field: the label field.
        num_classes: 0 for any number, 1 for one event, whose label is a number in [0, 1], more for the number of a
            class.
        texts: what its texts stand for, see `view.label_texts`.
        transform: the function of `label_transform`, which takes no negative number; empty when there is none.
        factors: of the weight of a row.
        is_off: whether the weights in the config keep the tower from learning from its label.
    """

    tower: str
    field: str
    num_classes: int
    texts: Mapping[str | None, float] = dataclasses.field(default_factory=dict)
    transform: str = ""
    factors: tuple[Factor, ...] = ()
    is_off: bool = False

    @property
    def column(self) -> NumberColumn:
        """Returns the column of the label."""
        return NumberColumn(self.field, self.field, texts=self.texts, is_label=True)

    def is_bad(self, labels: np.ndarray) -> np.ndarray:
        """Tells of labels `[n]`, NaN where missing, which are not allowed."""
        if not self.num_classes:
            return np.isinf(labels) | (labels < 0 if self.transform else False)
        most = max(self.num_classes - 1, 1)
        bad = (labels < 0) | (labels > most)
        return bad | (np.isfinite(labels) & (labels != np.floor(labels))) if self.num_classes > 1 else bad

    def problem(self, value: object) -> str:
        """Returns what to say of a value that is not allowed."""
        if self.num_classes == 1:
            allowed = "0, 1, or a probability between them is allowed. A number is learned with loss_type: L2_LOSS"
        elif self.num_classes:
            last = self.num_classes - 1
            allowed = f"whole numbers from 0 to {last} are allowed (num_class is {self.num_classes})"
        elif self.transform:
            allowed = f"finite numbers of at least 0 are allowed (its label_transform is {self.transform})"
        else:
            allowed = "finite numbers are allowed, up to 3.4e38"
        return f'column "{self.field}" holds {value}, the label of the tower "{self.tower}": {allowed}.'


@dataclass(frozen=True)
class WeightRule:
    """A field whose number is a factor of weights: finite and at least 0, or missing, which is 0.

    Attributes:
        column: the number.
        is_label: whether it is a label, where NaN is a missing one.
    """

    column: NumberColumn
    is_label: bool = False

    def is_bad(self, array: pa.Array, weights: np.ndarray) -> np.ndarray:
        """Tells of weights `[n]`, NaN where missing or NaN in the Arrow column, which are not allowed."""
        bad = ~np.isnan(weights) & ~((weights >= 0) & np.isfinite(weights))
        if not self.is_label and pa.types.is_floating(array.type):
            bad |= pc.is_nan(array).fill_null(False).to_numpy(zero_copy_only=False)
        return bad

    def problem(self, value: object) -> str:
        """Returns what to say of a value that is not allowed."""
        return (
            f'column "{self.column.field}" holds {value}, a sample weight: finite numbers of at least 0 are allowed '
            "(up to 3.4e38), or nothing for rows that do not count."
        )


@dataclass(frozen=True)
class TeacherRule:
    """A field that holds another model's prediction; a missing one, or NaN, is one of rows that it does not know.

    Attributes:
        column: the prediction.
        least: the smallest number allowed.
        most: the largest.
    """

    column: NumberColumn
    least: float = -np.inf
    most: float = np.inf

    def is_bad(self, array: pa.Array, predictions: np.ndarray) -> np.ndarray:
        """Tells of predictions `[n]`, NaN where missing, which are not allowed."""
        return np.isinf(predictions) | (predictions < self.least) | (predictions > self.most)

    def problem(self, value: object) -> str:
        """Returns what to say of a value that is not allowed."""
        kind = "finite numbers"
        if np.isfinite(self.most):
            kind = "probabilities from 0 to 1 (label_is_logits is false)"
        elif np.isfinite(self.least):
            kind = "finite numbers of at least 0 (the tower has a label_transform)"
        return f'column "{self.column.field}" holds {value}, the soft_label_name of a kd: {kind} are allowed.'


NumberRule = WeightRule | TeacherRule


def label_rules(pipeline: Pipeline) -> list[LabelRule]:
    """Returns the rule of each tower, in the order of the config."""
    return [_label_rule(pipeline, index, tower) for index, tower in enumerate(view.task_towers(pipeline))]


def _label_rule(pipeline: Pipeline, index: int, tower: TaskTower) -> LabelRule:
    losses = {loss.loss_type for loss in tower.losses} or {tower.loss_type}
    # Losses of packages predict a probability, as these do, or a value of any size.
    is_custom = any(view.custom_loss(loss) and not view.predicts_value(loss) for loss in tower.losses)
    is_classes = tower.num_class > 1 and (is_custom or losses & _OF_CLASSES)
    is_event = tower.num_class == 1 and (is_custom or losses & _OF_ONE_EVENT)
    name = view.label_name(pipeline, index)
    function = tower.label_transform.function
    # What another tower or model teaches it, it learns without its label.
    teachers = {*view.parents(pipeline).values(), *(kd.pred_name.partition("_")[2] for kd in pipeline.model_config.kd)}
    weights = [loss.weight for loss in tower.losses] or [1.0]
    return LabelRule(
        tower.tower_name,
        name,
        tower.num_class if is_classes else int(bool(is_event)),
        view.label_texts(pipeline.data_config, name),
        LabelTransform.Function.Name(function) if function else "",
        tuple(tower_factors(pipeline, index)),
        is_off=tower.tower_name not in teachers and not (tower.weight and any(weights)),
    )


def number_rules(pipeline: Pipeline) -> list[NumberRule]:
    """Returns the rules of the fields beside the labels: factors of weights, and other models' predictions."""
    data = pipeline.data_config
    towers = view.task_towers(pipeline)
    rules: dict[str, NumberRule] = {}
    if data.sample_weight and any(tower.use_sample_weight for tower in towers):
        rules[data.sample_weight] = WeightRule(NumberColumn.plain(data, data.sample_weight))
    for entry in (entry for tower in towers for entry in tower.sample_weights):
        name = entry.column or entry.label
        if name:
            is_label = name in data.label_fields
            rules.setdefault(name, WeightRule(NumberColumn.plain(data, name), is_label))
    return [*rules.values(), *(_teacher_rule(pipeline, kd) for kd in pipeline.model_config.kd)]


def _teacher_rule(pipeline: Pipeline, kd: KD) -> TeacherRule:
    column = NumberColumn.plain(pipeline.data_config, kd.soft_label_name)
    if kd.loss_type in _OF_ONE_EVENT and not kd.label_is_logits:
        return TeacherRule(column, least=0, most=1)
    functions = {f"y_{tower.tower_name}": tower.label_transform.function for tower in view.task_towers(pipeline)}
    return TeacherRule(column, least=0) if functions.get(kd.pred_name) else TeacherRule(column)


class LabelCheck:
    """An encoder that checks labels and weights; may be called from several threads at once.

    Attributes:
        num_labels: label field -> rows counted so far that have it.
    """

    def __init__(self, encoder: NumbersEncoder, rules: Sequence[LabelRule], others: Sequence[NumberRule] = ()):
        self.num_labels: dict[str, int] = {rule.field: 0 for rule in rules}
        self._num_counted: dict[str, list[int]] = {rule.tower: [0] * (len(rule.factors) + 1) for rule in rules}
        self._encoder = encoder
        self._rules = tuple(rules)
        self._all_rules = (*rules, *others)
        self._factor_columns = [factor.column for rule in rules for factor in rule.factors]

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold."""
        return self._encoder.fields

    @property
    def items(self) -> Sequence[str]:
        """Returns those of them that may come as lists of items."""
        return self._encoder.items

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch, whose labels and weights are all allowed, with a column that tells what counts.

        Raises:
            BadValues: one is not.
        """
        numbers = checked_numbers(batch, self._all_rules, self._factor_columns)
        rows = self._encoder(batch, numbers)
        if self._rules:
            labelled = [~np.isnan(numbers[field]) for field in self.num_labels]
            counted = [flags for rule in self._rules for flags in counted_rows(rule, numbers)]
            rows.columns[_COUNTED] = np.stack([*labelled, *counted], axis=1)
        return rows

    def count(self, rows: Rows) -> None:
        """Counts the labels and weights of rows that have been used."""
        if not self._rules:
            return
        numbers = iter(np.asarray(rows[_COUNTED]).sum(axis=0).tolist())
        for field in self.num_labels:
            self.num_labels[field] += next(numbers)
        for counts in self._num_counted.values():
            counts[:] = [count + next(numbers) for count in counts]

    def counts(self) -> list[list[int]]:
        """Returns what has been counted, as numbers that add up over workers."""
        return [list(self.num_labels.values()), *self._num_counted.values()]

    def of_all(self, counts: Sequence[Sequence[Sequence[int]]]) -> "LabelCheck":
        """Returns the same check with what several workers have counted."""
        labels, *counted = ([sum(numbers) for numbers in zip(*parts)] for parts in zip(*counts))
        result = copy(self)
        result.num_labels = dict(zip(self.num_labels, labels))
        result._num_counted = dict(zip(self._num_counted, counted))
        return result

    def unlearnt(self, rows: str) -> list[tuple[LabelRule, str]]:
        """Returns the rules of the towers that no row so far counts for, each with the reason.

        Args:
            rows: what the rows are called in the reason, such as `rows trained on so far`.
        """
        found = ((rule, self._why(rule, rows)) for rule in self._rules)
        return [(rule, why) for rule, why in found if why]

    def _why(self, rule: LabelRule, rows: str) -> str:
        if not self.num_labels[rule.field]:
            return no_label(rule, rows)
        return why_unlearnt(rule, self._num_counted[rule.tower], f"{rows} with a label")


def no_label(rule: LabelRule, rows: str) -> str:
    """Returns that no row has the label of a tower, the rows being called `rows`, such as `rows trained on so far`."""
    return f'no row{rows.removeprefix("rows")} has a label "{rule.field}"'


def counted_rows(rule: LabelRule, numbers: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Tells of rows `[n]` whether they have the label of a tower and count by each factor, and by all of them."""
    has_label = ~np.isnan(numbers[rule.field])
    counts = [has_label & factor.counts(numbers) for factor in rule.factors]
    return [*counts, np.logical_and.reduce([has_label, *counts])]


def why_unlearnt(rule: LabelRule, counts: Sequence[int], rows: str) -> str:
    """Returns why no row counts for a tower, or an empty text if some do; `counts` are sums of `counted_rows`."""
    if rule.is_off:
        return "the weight of the tower or of its losses is 0 in the config"
    if counts[-1]:
        return ""
    reasons = [factor.why_none(rows) for factor, number in zip(rule.factors, counts) if not number]
    return " and ".join(reasons) or f"the weight of all {rows} is 0, by one factor or another"


def checked_numbers(
    batch: pa.RecordBatch, rules: Sequence[LabelRule | NumberRule], further: Sequence[NumberColumn] = ()
) -> dict[str, np.ndarray]:
    """Returns the numbers of rules and of further columns by name, `[n]` float32 each, NaN where missing.

    Raises:
        BadValues: one is not allowed by its rule.
    """
    columns = list({column.name: column for column in (*(rule.column for rule in rules), *further)}.values())
    numbers = dict(zip((column.name for column in columns), read_numbers(batch, columns).T))
    for rule in rules:
        _require_allowed(batch.column(rule.column.field), rule, numbers[rule.column.name])
    return numbers


def _require_allowed(array: pa.Array, rule: LabelRule | NumberRule, numbers: np.ndarray) -> None:
    is_bad = rule.is_bad(numbers) if isinstance(rule, LabelRule) else rule.is_bad(array, numbers)
    bad = np.flatnonzero(is_bad)
    if len(bad):
        values = array.take(pa.array(bad))
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        # Arrow's `unique` takes one NaN for another.
        first, *others = values.unique().to_pylist()
        raise BadValues(rule.column.field, first, others, rule.problem(first))
