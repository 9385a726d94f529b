"""Rules of the rows that count in a task: its space, and what their weights are read from."""

import math

from easymtl.config import view
from easymtl.config.field_values import parse_value
from easymtl.config.rules.review import FEATURES, INPUT_NAMES, INPUT_TYPES, Review, feature_name
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.task_pb2 import KD, TaskTower

_FLOAT32_MAX = 3.4028234663852886e38


def check_spaces(review: Review) -> None:
    """The fields that a task's space and weights are read from exist."""
    for path, tower in review.towers():
        label, name = tower.task_space_indicator_label, tower.task_space_indicator_name
        if label:
            review.check_number_field(f"{path}.task_space_indicator_label", label)
        if name and not tower.HasField("task_space_indicator_value"):
            review.problem(path, "has task_space_indicator_name; it needs task_space_indicator_value too.")
        elif name:
            check_indicator(review, path, tower)
        elif tower.task_space_indicator_value:
            review.problem(path, "has task_space_indicator_value; it needs task_space_indicator_name too.")
        for field in ("in_task_space_weight", "out_task_space_weight"):
            if not (label or name) and getattr(tower, field) != 1:
                review.note(f"{path}.{field}", "has no effect without a task_space_indicator_label or _name.")
        _check_sample_weights(review, path, tower)


def check_indicator(review: Review, path: str, message: TaskTower | KD) -> None:
    """The indicator of a space is a feature of one field, or a field, and its value one of the field's type."""
    name, value = message.task_space_indicator_name, message.task_space_indicator_value
    item = f"{path}.task_space_indicator_name"
    known = list(dict.fromkeys([*review.feature_names, *review.input_types]))
    where = "the features or data_config.input_fields"
    if not review.check_known(item, name, known, where, *FEATURES, *INPUT_NAMES):
        return
    feature = next((feature for _, feature in review.features() if feature_name(feature) == name), None)
    if feature and len(feature.input_names) > 1:
        text = f'"{name}" reads {quoted(feature.input_names)}; name a feature of one field, or the field that tells.'
        review.problem(item, text, *FEATURES)
        return
    field = view.indicator_field(review.pipeline, name)
    kind = review.input_types.get(field, "STRING")
    if not _is_value(kind, value):
        text = f'"{value}" is no {kind}, which is the type of "{field}": no row would be in the space.'
        review.problem(f"{path}.task_space_indicator_value", text, INPUT_TYPES)
    elif feature and feature.feature_type == FeatureConfig.TagFeature:
        text = f'is compared with the whole text of "{field}", with all of its tags, and not with single tags.'
        review.note(f"{path}.task_space_indicator_value", text)


def _is_value(kind: str, text: str) -> bool:
    """Returns whether a row can hold what a text stands for; none is equal to NaN."""
    try:
        value = parse_value(kind, text)
    except ValueError:
        return False
    most = {"FLOAT": _FLOAT32_MAX, "DOUBLE": math.inf}.get(kind)
    return most is None or (abs(float(value)) <= most and math.isfinite(float(value)))


def _check_sample_weights(review: Review, path: str, tower: TaskTower) -> None:
    for index, weight in enumerate(tower.sample_weights):
        weight_path = f"{path}.sample_weights[{index}]"
        factor = weight.WhichOneof("factor")
        if factor is None:
            review.problem(weight_path, "needs column, label or class_weights.")
        elif factor == "column":
            review.check_number_field(f"{weight_path}.column", weight.column)
        elif factor == "label":
            review.check_label_field(f"{weight_path}.label", weight.label)
        elif not (weight.class_weights.negative or weight.class_weights.positive):
            text = "gives both classes the factor 0, so no row would count; leave one above 0."
            review.problem(f"{weight_path}.class_weights", text)
