"""What labels, weights and other models' predictions may be, and which rows count for what learns from them."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.config import view
from easymtl.features.factors import Factor, kd_factors, tower_factors
from easymtl.features.numbers import NumberColumn
from easymtl.protos.loss_pb2 import LossType
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import LabelTransform, TaskTower

_OF_ONE_EVENT = {
    LossType.CLASSIFICATION,
    LossType.CROSS_ENTROPY_LOSS,
    LossType.BINARY_CROSS_ENTROPY_LOSS,
    LossType.KL_DIVERGENCE_LOSS,
    LossType.BINARY_FOCAL_LOSS,
    LossType.F1_REWEIGHTED_LOSS,
}
_OF_CLASSES = {LossType.CLASSIFICATION, LossType.JRC_LOSS}


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

    @property
    def learner(self) -> str:
        """Returns what learns from the label, in words."""
        return f'the tower "{self.tower}"'

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
            allowed = (
                "0, 1, or a probability between them is allowed. A number is learned with loss_type: L2_LOSS; where "
                "numbers stand for yes and no, as 1 and -1 do, declare the column with input_type: STRING and say "
                "which is 1 in data_config.label_values"
            )
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
        learner: the entry of `kd` that learns from it, in words.
        factors: of the weight of a row in it.
        is_off: whether its weight in the config is 0.
    """

    column: NumberColumn
    least: float = -np.inf
    most: float = np.inf
    learner: str = ""
    factors: tuple[Factor, ...] = ()
    is_off: bool = False

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
LearntRule = LabelRule | TeacherRule
RowRule = LabelRule | WeightRule | TeacherRule


def row_rules(pipeline: Pipeline) -> list[RowRule]:
    """Returns the rules of what is read of each row beside its features."""
    return [*label_rules(pipeline), *number_rules(pipeline)]


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
    kds = (kd for kd in pipeline.model_config.kd if kd.loss_weight)
    teachers = {*view.parents(pipeline).values(), *(kd.pred_name.partition("_")[2] for kd in kds)}
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
    return [*rules.values(), *(_teacher_rule(pipeline, index) for index in range(len(pipeline.model_config.kd)))]


def _teacher_rule(pipeline: Pipeline, index: int) -> TeacherRule:
    kd = pipeline.model_config.kd[index]
    output, _, name = kd.pred_name.partition("_")
    tower = next((tower for tower in view.task_towers(pipeline) if tower.tower_name == name), TaskTower())
    least, most = -np.inf, np.inf
    if kd.loss_type in _OF_ONE_EVENT and not kd.label_is_logits:
        least, most = 0, 1
    elif output == "y" and tower.label_transform.function:
        least = 0
    return TeacherRule(
        NumberColumn.plain(pipeline.data_config, kd.soft_label_name),
        least,
        most,
        learner=f'model_config.kd[{index}] of "{kd.pred_name}"',
        factors=tuple(kd_factors(pipeline, kd, tower)),
        is_off=not kd.loss_weight,
    )


def no_label(rule: LearntRule, rows: str) -> str:
    """Returns that no row has what is learnt, the rows being called `rows`, such as `rows trained on so far`."""
    return f'no row{rows.removeprefix("rows")} has a label "{rule.column.field}"'


def counted_rows(rule: LearntRule, numbers: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Tells of rows `[n]` whether they have what is learnt and count by each factor, and by all of them."""
    has_label = ~np.isnan(numbers[rule.column.name])
    counts = [has_label & factor.counts(numbers) for factor in rule.factors]
    return [*counts, np.logical_and.reduce([has_label, *counts])]


def why_unlearnt(rule: LearntRule, counts: Sequence[int], rows: str) -> str:
    """Returns why no row counts, or an empty text if some do; `counts` are sums of `counted_rows`."""
    if rule.is_off:
        what = "the weight of the tower or of its losses" if isinstance(rule, LabelRule) else "its loss_weight"
        return f"{what} is 0 in the config"
    if counts[-1]:
        return ""
    reasons = [factor.why_none(rows) for factor, number in zip(rule.factors, counts) if not number]
    return " and ".join(reasons) or f"the weight of all {rows} is 0, by one factor or another"
