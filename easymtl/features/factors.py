"""What the weight of a row in a task is made of, read from a config; no TensorFlow.

A missing number arrives as NaN. Every factor turns it into a finite weight, because 0 · NaN would be NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from easymtl.config import view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.numbers import NumberColumn
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import KD, SampleWeight, TaskTower


@dataclass(frozen=True)
class Factor:
    """A factor of the weight of a row: the number of a column, or one of two by whether that is above 0.

    Attributes:
        column: that holds the number.
        inside: the factor of rows whose number is above 0; None when the number itself is the factor.
        outside: the factor of the other rows, also of those whose number is missing.
        keeps_in_space: whether a row of factor 0 is still there for losses that compare it with others.
        space: what the rows of `inside` have in common, in words.
    """

    column: NumberColumn
    inside: float | None = None
    outside: float = 0.0
    keeps_in_space: bool = False
    space: str = ""

    def counts(self, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the rows, bool `[n]`, whose factor is not 0.

        Args:
            numbers: the number columns by name, `[n]` each.
        """
        values = numbers[self.column.name]
        if self.inside is None:
            return (values != 0) & ~np.isnan(values)
        return np.where(values > 0, self.inside != 0, self.outside != 0)

    def why_none(self, rows: str) -> str:
        """Returns why the factor of all rows is 0, the rows being called `rows`, such as `rows trained on so far`."""
        if self.inside is None:
            return f'the weight "{self.column.field}" is 0 or missing in all {rows}'
        if not self.inside and not self.outside:
            return f"the weights inside and outside of {self.space} are both 0"
        if not self.outside:
            return f"none of the {rows} is in {self.space}"
        return f"all {rows} are in {self.space}, whose weight is 0"


def tower_factors(pipeline: Pipeline, index: int) -> list[Factor]:
    """Returns the factors of the weight of a row in the tower at `index`, beside the presence of its label.

    Raises:
        UserError: the indicator of its task space is neither a feature nor a field.
    """
    tower, data = view.task_towers(pipeline)[index], pipeline.data_config
    factors: list[Factor] = []
    if tower.use_sample_weight and data.sample_weight:
        factors.append(Factor(NumberColumn.plain(data, data.sample_weight), keeps_in_space=True))
    inside, outside = tower.in_task_space_weight, tower.out_task_space_weight
    if tower.task_space_indicator_label:
        label = tower.task_space_indicator_label
        space = f'its task space ("{label}" above 0)'
        factors.append(Factor(NumberColumn.plain(data, label), inside, outside, space=space))
    if tower.task_space_indicator_name:
        factors.append(_indicator(pipeline, f'Task tower "{tower.tower_name}"', tower))
    label = view.label_name(pipeline, index)
    factors += [_further(pipeline, entry, label) for entry in tower.sample_weights if entry.WhichOneof("factor")]
    return factors


def kd_factors(pipeline: Pipeline, kd: KD, tower: TaskTower) -> list[Factor]:
    """Returns the factors of the weight of a row in an entry of `kd`, whose prediction is that of `tower`.

    Raises:
        UserError: the indicator of its space is neither a feature nor a field.
    """
    data = pipeline.data_config
    factors: list[Factor] = []
    if tower.use_sample_weight and data.sample_weight:
        factors.append(Factor(NumberColumn.plain(data, data.sample_weight)))
    if kd.task_space_indicator_name:
        factors.append(_indicator(pipeline, "model_config.kd", kd))
    return factors


def _further(pipeline: Pipeline, entry: SampleWeight, label: str) -> Factor:
    data = pipeline.data_config
    if entry.WhichOneof("factor") == "class_weights":
        weights = entry.class_weights
        space = f'the class of "{label}" above 0'
        return Factor(NumberColumn.plain(data, label), weights.positive, weights.negative, space=space)
    return Factor(NumberColumn.plain(data, entry.column or entry.label))


def _indicator(pipeline: Pipeline, where: str, message: TaskTower | KD) -> Factor:
    """Returns the factor of a space: the rows where the named feature or field has the value."""
    name, value = message.task_space_indicator_name, message.task_space_indicator_value
    field = view.indicator_field(pipeline, name)
    if not field:
        known = [view.feature_name(feature) for feature in view.features(pipeline)]
        known += [entry.input_name for entry in pipeline.data_config.input_fields]
        raise UserError(
            f'{where}: task_space_indicator_name "{name}" is neither a feature nor an '
            f"input field (there are {quoted(dict.fromkeys(known))}).{did_you_mean(name, known)}"
        )
    inside, outside = message.in_task_space_weight, message.out_task_space_weight
    space = f'its task space ("{field}" is "{value}")'
    return Factor(NumberColumn.indicator(field, value), inside, outside, space=space)
