"""What a pipeline message says, asked for by meaning: towers, labels, features, groups, fields.

Every room reads the config through these functions, so that a rule of the dialect (the default name of a
feature, the label of a tower without `label_name`, a range in a feature group) is written once.
"""

from easymtl.config.view.data import (
    constant_fields,
    eval_input,
    indicator_field,
    input_field_names,
    scored_fields,
    train_input,
    used_fields,
)
from easymtl.config.view.feature import (
    feature_name,
    feature_width,
    features,
    has_parts,
    is_number,
    num_number_rows,
    number_boundaries,
    number_embedding_width,
    written_out,
)
from easymtl.config.view.group import (
    attention_feature_names,
    features_in_groups,
    further_history_names,
    group_feature_names,
    grouped_names,
)
from easymtl.config.view.ranges import LONGEST_RANGE, expand_range, range_size
from easymtl.config.view.result import (
    LOSS_NAMES,
    given_name,
    metric_results,
    result_names,
    result_rows,
    results_of_metric,
    results_of_tower,
    scored_for,
)
from easymtl.config.view.tower import (
    chain,
    label_name,
    label_texts,
    model_message,
    model_name,
    parents,
    task_tower_paths,
    task_towers,
)

__all__ = [
    "LONGEST_RANGE",
    "LOSS_NAMES",
    "attention_feature_names",
    "chain",
    "constant_fields",
    "eval_input",
    "expand_range",
    "feature_name",
    "feature_width",
    "features",
    "features_in_groups",
    "further_history_names",
    "given_name",
    "group_feature_names",
    "grouped_names",
    "has_parts",
    "indicator_field",
    "input_field_names",
    "is_number",
    "label_name",
    "label_texts",
    "metric_results",
    "model_message",
    "model_name",
    "num_number_rows",
    "number_boundaries",
    "number_embedding_width",
    "parents",
    "range_size",
    "result_names",
    "result_rows",
    "results_of_metric",
    "results_of_tower",
    "scored_fields",
    "scored_for",
    "task_tower_paths",
    "task_towers",
    "train_input",
    "used_fields",
    "written_out",
]
