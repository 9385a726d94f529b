"""What a config says of its feature groups: the features that each one reads."""

from easymtl.config.view.feature import feature_name, features, written_out
from easymtl.config.view.ranges import expand_range
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig
from easymtl.protos.pipeline_pb2 import Pipeline


def group_feature_names(group: FeatureGroupConfig) -> list[str]:
    """Returns the feature names of a group in order, ranges such as `f[1-3]` expanded."""
    return [name for pattern in group.feature_names for name in expand_range(pattern)]


def attention_feature_names(group: FeatureGroupConfig) -> list[str]:
    """Returns the features that need a vector for the group's sequence_features alone, each once.

    Histories have tables of their own there; a key that is one of the group's features is read as that.
    """
    plain = set(group_feature_names(group))
    maps = [one for block in group.sequence_features for one in block.seq_att_map]
    keys = [key for one in maps for key in one.key if key not in plain]
    histories = [name for one in maps for name in [*one.hist_seq, *one.aux_hist_seq]]
    return list(dict.fromkeys([*keys, *histories]))


def further_history_names(group: FeatureGroupConfig) -> set[str]:
    """Returns the histories that a group only sums with the attention to others: `aux_hist_seq` alone."""
    maps = [one for block in group.sequence_features for one in block.seq_att_map]
    attended = {name for one in maps for name in one.hist_seq}
    return {name for one in maps for name in one.aux_hist_seq} - attended


def grouped_names(pipeline: Pipeline) -> set[str]:
    """Returns the names of the features that a group reads, by itself or in its sequence_features."""
    groups = pipeline.model_config.feature_groups
    return {name for group in groups for name in [*group_feature_names(group), *attention_feature_names(group)]}


def features_in_groups(pipeline: Pipeline) -> list[FeatureConfig]:
    """Returns the features that a group reads, each once, `shared_names` written out."""
    grouped = grouped_names(pipeline)
    written = (one for feature in features(pipeline) for one in written_out(feature))
    return [one for one in written if feature_name(one) in grouped]
