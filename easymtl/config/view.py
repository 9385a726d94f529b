"""What a pipeline message says, asked for by meaning: towers, labels, features, groups, fields.

Every room reads the config through these functions, so that a rule of the dialect (the default name of a
feature, the label of a tower without `label_name`, a range in a feature group) is written once.
"""

import re
from collections.abc import Iterator

from google.protobuf.message import Message

from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

_RANGE = re.compile(r"^(?P<prefix>.*)\[(?P<first>\d+)-(?P<last>\d+)\](?P<suffix>.*)$")


def model_name(pipeline: Pipeline) -> str:
    """Returns the member of the model oneof that is set (`"dbmtl"`), or an empty string."""
    return pipeline.model_config.WhichOneof("model") or ""


def model_message(pipeline: Pipeline) -> Message:
    """Returns the message of the model, for example a `DBMTL`."""
    return getattr(pipeline.model_config, model_name(pipeline))


def task_towers(pipeline: Pipeline) -> list[TaskTower]:
    """Returns the task towers in the order of the config."""
    return list(model_message(pipeline).task_towers)


def label_name(pipeline: Pipeline, index: int) -> str:
    """Returns the label field of the tower at `index`: its `label_name`, else the label field of that index."""
    tower = task_towers(pipeline)[index]
    return tower.label_name or pipeline.data_config.label_fields[index]


def features(pipeline: Pipeline) -> list[FeatureConfig]:
    """Returns the features, from `feature_config { features }` or the older `feature_configs`."""
    return list(pipeline.feature_config.features) or list(pipeline.feature_configs)


def feature_name(feature: FeatureConfig) -> str:
    """Returns the name of a feature: `feature_name`, else its first input."""
    return feature.feature_name or feature.input_names[0]


def group_feature_names(group: FeatureGroupConfig) -> list[str]:
    """Returns the feature names of a group in order, ranges such as `f[1-3]` expanded."""
    return [name for pattern in group.feature_names for name in _expand(pattern)]


def _expand(pattern: str) -> Iterator[str]:
    match = _RANGE.match(pattern)
    if not match:
        yield pattern
        return
    for number in range(int(match["first"]), int(match["last"]) + 1):
        yield f"{match['prefix']}{number}{match['suffix']}"


def train_input(pipeline: Pipeline) -> str:
    """Returns the training input: a comma list of paths, globs or folders."""
    return pipeline.train_input_path or pipeline.parquet_train_input


def eval_input(pipeline: Pipeline) -> str:
    """Returns the evaluation input: a comma list of paths, globs or folders."""
    return pipeline.eval_input_path or pipeline.parquet_eval_input
