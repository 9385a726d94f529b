"""What the rows of tables and the columns of the first kernel mean, so that weights are not read with another meaning.

Shapes alone do not tell: features of one width in another order, other boundaries or another normalizer fit just as
well, and score wrongly.
"""

from collections.abc import Mapping
from typing import Any

from easymtl.config import view
from easymtl.errors import UserError
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.checkpoints import Checkpoint

# What does not change which row or number a value becomes.
_FREE = ("initializer", "max_partitions", "vocab_file", "feature_name")


def meaning_of(pipeline: Pipeline) -> dict[str, Any]:
    """Returns the features of each group in order, and how each becomes rows and numbers, as JSON can hold it."""
    groups = {group.group_name: view.group_feature_names(group) for group in pipeline.model_config.feature_groups}
    used = {name for names in groups.values() for name in names}
    features = {view.feature_name(feature): _fields(feature) for feature in view.features(pipeline)}
    return {"groups": groups, "features": {name: features[name] for name in sorted(used & set(features))}}


def require_same_meaning(pipeline: Pipeline, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Refuses a config that reads the weights of a checkpoint with another meaning than they were trained with.

    Raises:
      UserError: the message names the first difference.
    """
    there, here = state.get("meaning"), meaning_of(pipeline)
    if not there or there == here:
        return
    raise UserError(
        f"{checkpoint.path}: {_difference(there, here)}. The weights would fit and mean something else. Go back to the "
        "config in pipeline.config of its model_dir, or train in another model_dir: --set model_dir=..."
    )


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    for group, names in here["groups"].items():
        before = there["groups"].get(group)
        if before is not None and before != names:
            pairs = enumerate(zip(before, names))
            place = next((i for i, (old, new) in pairs if old != new), min(len(before), len(names)))
            return f'feature group "{group}" is not that of the training: feature number {place + 1} is another one'
    for name, fields in here["features"].items():
        before = there["features"].get(name, {})
        changed = sorted(field for field in {*before, *fields} if before.get(field) != fields.get(field))
        if changed:
            new, old = fields.get(changed[0]), before.get(changed[0])
            return f'feature "{name}" has {changed[0]} {new} in the config and {old} in the training'
    return "its feature groups are not those of the config"


def _fields(feature: FeatureConfig) -> dict[str, str]:
    return {
        field.name: str(list(value) if hasattr(value, "append") else value)
        for field, value in feature.ListFields()
        if field.name not in _FREE
    }
