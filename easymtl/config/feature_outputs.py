"""Names of the outputs that tell what features have read: `export_config.export_features`."""

from easymtl.protos.feature_pb2 import FeatureConfig

PREFIX = "feature_"


def feature_outputs(feature: FeatureConfig, name: str) -> list[str]:
    """Returns the names of the outputs of a feature.

    One of its own, and further ones for the weights of tags (`_w`) and for the inputs of a ComboFeature behind the
    first (`_1`, `_2`, ...), unless they are joined.

    Args:
        feature: the declaration.
        name: of the feature.
    """
    first = f"{PREFIX}{name}"
    if feature.feature_type == FeatureConfig.TagFeature and (feature.kv_separator or len(feature.input_names) > 1):
        return [first, f"{first}_w"]
    if feature.feature_type == FeatureConfig.ComboFeature and not feature.combo_join_sep:
        return [first, *(f"{first}_{position}" for position in range(1, len(feature.input_names)))]
    return [first]
