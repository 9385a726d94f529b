"""Rules of the features that blocks read in other ways than as embeddings of their own."""

from collections.abc import Iterator

from easymtl.config import view
from easymtl.config.block_graph import Node, graph_of
from easymtl.config.input_groups import groups_of_vectors
from easymtl.config.rules.feature_faults import table_sources
from easymtl.config.rules.review import FEATURES, Review, feature_name
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_OF_ONE_VALUE = (FeatureConfig.IdFeature, FeatureConfig.RawFeature, FeatureConfig.PassThroughFeature)
_OF_IDS = (FeatureConfig.IdFeature, FeatureConfig.TagFeature, FeatureConfig.ComboFeature, FeatureConfig.LookupFeature)
_EXTREMES = ("max", "min")


def check_block_features(review: Review) -> None:
    """raw_input reads features of one value for each row, and an embedding layer those that are ids."""
    for node in _input_nodes(review):
        if node.kind == "raw_input":
            _check_columns(review, node)
        elif node.kind == "embedding_layer":
            _check_ids(review, node)


def check_passed_through(review: Review) -> None:
    """A PassThroughFeature has no vector: it stands in groups that raw_input alone reads."""
    with_vectors = groups_of_vectors(review.pipeline)
    with_vectors |= {node.group for node in _input_nodes(review) if node.kind != "raw_input"}
    for index, group in enumerate(review.pipeline.model_config.feature_groups):
        for place, pattern in enumerate(group.feature_names if group.group_name in with_vectors else ()):
            for name, feature in _features(review, [pattern]):
                if feature.feature_type == FeatureConfig.PassThroughFeature:
                    text = (
                        f'"{name}" is a PassThroughFeature, which has no vector: put it into a group of its own, which '
                        "a block with raw_input { } reads, or make it a RawFeature."
                    )
                    path = f"model_config.feature_groups[{index}].feature_names[{place}]"
                    review.problem(path, text, *FEATURES)


def texts_of_blocks(review: Review) -> set[str]:
    """Returns the features that blocks read as the texts they are, see `easymtl.features.plain_feature`."""
    read = {
        name: feature
        for node in _input_nodes(review)
        if node.kind == "raw_input"
        for name, feature in _group_features(review, node)
    }
    return {name for name, feature in read.items() if _is_text(review, feature)}


def _is_text(review: Review, feature: FeatureConfig) -> bool:
    if feature.feature_type == FeatureConfig.PassThroughFeature:
        return any(review.input_types.get(name) == "STRING" for name in feature.input_names)
    return feature.feature_type == FeatureConfig.IdFeature and table_sources(feature)[:1] != ["num_buckets"]


def _check_columns(review: Review, node: Node) -> None:
    for name, feature in _group_features(review, node):
        if feature.feature_type not in _OF_ONE_VALUE:
            allowed = ", ".join(map(FeatureConfig.FeatureType.Name, _OF_ONE_VALUE))
            text = f'has "{name}", a {_kind(feature)}: raw_input reads features of one value for each row, {allowed}.'
            review.problem(f"{node.path}.inputs[0].feature_group_name", f'"{node.group}" {text}', *FEATURES)


def _check_ids(review: Review, node: Node) -> None:
    combiner = node.block.embedding_layer.combiner
    several = []
    for name, feature in _group_features(review, node):
        is_bucketized = feature.feature_type == FeatureConfig.RawFeature and bool(view.number_boundaries(feature))
        if feature.feature_type not in _OF_IDS and not is_bucketized:
            reason = "without boundaries" if feature.feature_type == FeatureConfig.RawFeature else "which is no id"
            text = f'has "{name}", a {_kind(feature)} {reason}: an embedding layer looks ids up.'
            review.problem(f"{node.path}.inputs[0].feature_group_name", f'"{node.group}" {text}', *FEATURES)
        elif feature.feature_type in (FeatureConfig.TagFeature, FeatureConfig.LookupFeature):
            several.append(name)
    if several and combiner in _EXTREMES:
        text = f'"{combiner}" is not supported for features of several values ({quoted(several)}): write mean or sum.'
        review.problem(f"{node.path}.embedding_layer.combiner", text, *FEATURES)


def _input_nodes(review: Review) -> list[Node]:
    graph = graph_of(review.pipeline)
    return [node for scope in graph.scopes for node in scope.nodes.values() if node.group] if graph else []


def _group_features(review: Review, node: Node) -> Iterator[tuple[str, FeatureConfig]]:
    for group in review.pipeline.model_config.feature_groups:
        if group.group_name == node.group:
            yield from _features(review, list(group.feature_names))


def _features(review: Review, patterns: list[str]) -> Iterator[tuple[str, FeatureConfig]]:
    declared = {feature_name(feature): feature for _, feature in review.written_features()}
    for pattern in patterns:
        if (view.range_size(pattern) or 1) <= view.LONGEST_RANGE:
            yield from ((name, declared[name]) for name in view.expand_range(pattern) if name in declared)


def _kind(feature: FeatureConfig) -> str:
    return FeatureConfig.FeatureType.Name(feature.feature_type)
