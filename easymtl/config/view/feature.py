"""What a config says of its features, one by one: names, types, widths."""

from easymtl.config.number_embeddings import num_replicas, vector_width
from easymtl.config.view.ranges import expand_range
from easymtl.protos.feature_pb2 import FeatureConfig, Growing
from easymtl.protos.pipeline_pb2 import Pipeline


def features(pipeline: Pipeline) -> list[FeatureConfig]:
    """Returns the features, from `feature_config { features }` or the older `feature_configs`."""
    return list(pipeline.feature_config.features) or list(pipeline.feature_configs)


def feature_name(feature: FeatureConfig) -> str:
    """Returns the name of a feature: `feature_name`, else its first input."""
    return feature.feature_name or feature.input_names[0]


def written_out(feature: FeatureConfig) -> list[FeatureConfig]:
    """Returns the features that a declaration stands for: itself, or one for each of its inputs and `shared_names`."""
    if not feature.shared_names:
        return [feature]
    inputs = [name for pattern in feature.shared_names for name in expand_range(pattern)]
    names = list(feature.input_names) + [name for name in inputs if name not in feature.input_names]
    written = []
    for position, name in enumerate(names):
        one = FeatureConfig()
        one.CopyFrom(feature)
        one.ClearField("shared_names")
        one.input_names[:] = [name]
        if position >= len(feature.input_names):
            one.ClearField("feature_name")
        if not feature.WhichOneof("number_embedding"):
            one.embedding_name = feature.embedding_name or feature.feature_name or names[0]
        written.append(one)
    return written


def growing_of(feature: FeatureConfig) -> Growing | None:
    """Returns how the table of a feature grows, said in either of two ways; None if it does not."""
    if feature.HasField("growing"):
        return feature.growing
    if not feature.HasField("ev_params"):
        return None
    said = feature.ev_params
    return Growing(
        max_rows=said.max_capacity, admit_after=max(said.filter_freq, 1), expire_after_steps=said.steps_to_live
    )


def num_growing_rows(growing: Growing) -> int:
    """Returns the rows of a table that grows: one for each id, and that of all others."""
    return int(growing.max_rows) + 1


def ids_name(feature: FeatureConfig) -> str:
    """Returns the name of the ids that get rows of a growing table: of a feature, or of all that share a table."""
    return feature.embedding_name or feature_name(feature)


def is_number(feature: FeatureConfig) -> bool:
    """Returns whether a feature, or each step of a history, is made of numbers and not of ids."""
    is_history = feature.feature_type == FeatureConfig.SequenceFeature
    kind = feature.sub_feature_type if is_history else feature.feature_type
    return kind in (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)


def has_parts(feature: FeatureConfig) -> bool:
    """Returns whether a RawFeature is what its `combiner` makes of several numbers in a text, see `seq_multi_sep`."""
    is_raw = feature.feature_type == FeatureConfig.RawFeature
    return is_raw and bool(feature.seq_multi_sep) and feature.HasField("combiner")


def number_boundaries(feature: FeatureConfig) -> tuple[float, ...]:
    """Returns the borders between the buckets of numbers, those of `num_buckets` as shares of the range."""
    if not feature.boundaries and feature.num_buckets > 1 and feature.max_val > feature.min_val:
        return tuple(bucket / feature.num_buckets for bucket in range(feature.num_buckets))
    return tuple(feature.boundaries)


def num_number_rows(feature: FeatureConfig) -> int:
    """Returns the rows of the table of numbers: their buckets, or a row for each of the numbers of a value."""
    boundaries = number_boundaries(feature)
    return len(boundaries) + 1 if boundaries else max(int(feature.raw_input_dim), 1)


def feature_width(feature: FeatureConfig) -> int:
    """Returns the width of the vector of a feature, or of each step of it."""
    return int(feature.embedding_dim) or max(int(feature.raw_input_dim), 1) * (number_embedding_width(feature) or 1)


def number_embedding_width(feature: FeatureConfig) -> int:
    """Returns the width of the vector that a layer makes of each number of a feature, 0 where none does."""
    kind = feature.WhichOneof("number_embedding")
    if kind is None:
        return 0
    config = getattr(feature, kind)
    return vector_width(config) * num_replicas(config)
