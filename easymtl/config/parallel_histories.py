"""Histories that are read side by side: step t of one belongs to step t of the other."""

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline


def parallel_histories(pipeline: Pipeline) -> list[tuple[str, ...]]:
    """Returns the features that have to have equal lengths: of a block of sequence_features, or a group read so."""
    groups = input_groups(pipeline)
    names = [
        tuple(dict.fromkeys(name for one in block.seq_att_map for name in [*one.hist_seq, *one.aux_hist_seq]))
        for group in groups
        for block in group.config.sequence_features
    ]
    declared = {view.feature_name(feature): feature for feature in view.features_in_groups(pipeline)}
    for group in (group for group in groups if group.joins_steps):
        features = view.group_feature_names(group.config)
        is_history = {name: declared[name].feature_type == FeatureConfig.SequenceFeature for name in features}
        names.append(tuple(name for name in features if is_history[name]))
    return list(dict.fromkeys(one for one in names if len(one) > 1))
