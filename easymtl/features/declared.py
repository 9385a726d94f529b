"""The features of a config with their shorthands written out, and the transform of each feature type."""

import re

from easymtl.config import view
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.combo_feature import ComboFeature
from easymtl.features.id_feature import IdFeature
from easymtl.features.raw_feature import RawFeature
from easymtl.features.tag_feature import TagFeature
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

TRANSFORMS: dict[int, type[Transform]] = {
    FeatureConfig.IdFeature: IdFeature,
    FeatureConfig.RawFeature: RawFeature,
    FeatureConfig.TagFeature: TagFeature,
    FeatureConfig.ComboFeature: ComboFeature,
}

_RANGE = re.compile(r"^(?P<prefix>.*)\[(?P<first>\d+)-(?P<last>\d+)\](?P<suffix>.*)$")


def declared_features(pipeline: Pipeline) -> dict[str, FeatureConfig]:
    """Returns the features by name; `shared_names` become features of their own that share one table.

    Raises:
        UserError: two features have one name.
    """
    declared: dict[str, FeatureConfig] = {}
    for message in view.features(pipeline):
        for feature in _written_out(message):
            name = view.feature_name(feature)
            if name in declared:
                raise UserError(f'feature "{name}" is declared twice; give one of them another feature_name.')
            declared[name] = feature
    return declared


def make_transform(feature: FeatureConfig) -> Transform:
    """Returns the transform of a feature.

    Raises:
        UserError: its type is not supported, or its declaration does not hold.
    """
    kind = TRANSFORMS.get(feature.feature_type)
    if kind is None:
        found = FeatureConfig.FeatureType.Name(feature.feature_type)
        allowed = quoted(FeatureConfig.FeatureType.Name(number) for number in TRANSFORMS)
        raise UserError(
            f'feature "{view.feature_name(feature)}": feature_type {found} is not supported yet; '
            f"allowed are {allowed}. Remove the feature, or compute it when the files are written."
        )
    return kind(feature)


def find_feature(declared: dict[str, FeatureConfig], name: str, group: str) -> FeatureConfig:
    """Returns the feature that a group names.

    Raises:
        UserError: there is none of that name.
    """
    if name not in declared:
        raise UserError(
            f'feature group "{group}": "{name}" is not a feature; declared are {quoted(declared)}.'
            + did_you_mean(name, declared)
        )
    return declared[name]


def _written_out(message: FeatureConfig) -> list[FeatureConfig]:
    if not message.shared_names:
        return [message]
    inputs = [name for pattern in message.shared_names for name in _expand(pattern)]
    names = list(message.input_names) + [name for name in inputs if name not in message.input_names]
    features = []
    for position, name in enumerate(names):
        feature = FeatureConfig()
        feature.CopyFrom(message)
        feature.ClearField("shared_names")
        feature.input_names[:] = [name]
        if position >= len(message.input_names):
            feature.ClearField("feature_name")
        feature.embedding_name = message.embedding_name or message.feature_name or names[0]
        features.append(feature)
    return features


def _expand(pattern: str) -> list[str]:
    match = _RANGE.match(pattern)
    if not match:
        return [pattern]
    numbers = range(int(match["first"]), int(match["last"]) + 1)
    return [f"{match['prefix']}{number}{match['suffix']}" for number in numbers]
