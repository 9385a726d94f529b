"""Rules of networks over images and texts: what they read, and how they are made."""

from collections.abc import Iterator

from easymtl.config import modalities, view
from easymtl.config.modalities import TEXT, ModalityShapes
from easymtl.config.rules.review import FEATURES, Review, feature_name
from easymtl.protos.feature_pb2 import FeatureConfig, FeatureGroupConfig
from easymtl.protos.model_pb2 import CMBFTower

_TOKENS = modalities.GROUPS[:3]


def check_modal_bottom(review: Review) -> None:
    """A network over images and texts stands alone below the towers, and its groups hold what it reads."""
    field = modalities.modal_bottom(review.pipeline)
    if not field:
        return
    dbmtl, path = review.pipeline.model_config.dbmtl, f"model_config.dbmtl.{field}"
    for other in (*modalities.FIELDS, "bottom_dnn"):
        if other != field and dbmtl.HasField(other):
            review.problem(f"model_config.dbmtl.{other}", f"stands beside {field}, which takes its place. Keep one.")
    if review.pipeline.model_config.HasField("backbone"):
        review.problem(path, "reads feature groups, and so does the backbone. Keep one of them.")
    features = {feature_name(feature): feature for _, feature in review.written_features()}
    groups = {
        group.group_name: (f"model_config.feature_groups[{index}]", group)
        for index, group in enumerate(review.pipeline.model_config.feature_groups)
        if group.group_name in modalities.GROUPS
    }
    problems = [_is_fault(review, *one, features) for one in groups.values()]
    if not any(problems):
        shapes = _shapes({name: group for name, (_, group) in groups.items()}, features)
        _check_network(review, path, getattr(dbmtl, field), shapes)
        _check_lengths(review, path, getattr(dbmtl, field), groups, features)


def _is_fault(review: Review, path: str, group: FeatureGroupConfig, features: dict[str, FeatureConfig]) -> bool:
    """Reports features of the wrong kind; returns whether there are any, or features that do not exist."""
    name, is_fault = group.group_name, False
    if group.sequence_features and name in _TOKENS:
        text = f'belongs to the group "{name}", of which each feature is a token. Remove it.'
        review.problem(f"{path}.sequence_features[0]", text)
        is_fault = True
    for place, own in _names(group):
        feature = features.get(own)
        if feature is None:
            return True
        is_history = feature.feature_type == FeatureConfig.SequenceFeature
        where = f"{path}.feature_names[{place}]"
        if is_history and name in _TOKENS[:2]:
            review.problem(where, f'"{own}" is a history: move it to the group "{TEXT}".', *FEATURES)
            is_fault = True
        elif not is_history and name == TEXT:
            kind = FeatureConfig.FeatureType.Name(feature.feature_type)
            text = f'"{own}" is a feature of type {kind}; the group "{TEXT}" holds features of type SequenceFeature.'
            review.problem(where, f'{text} Move it to "general" or "other".', *FEATURES)
            is_fault = True
    return is_fault


def _names(group: FeatureGroupConfig) -> Iterator[tuple[int, str]]:
    """Yields the features of a group, each with the place of the pattern that names it; long ranges are left out."""
    for place, pattern in enumerate(group.feature_names):
        if (view.range_size(pattern) or 1) <= view.LONGEST_RANGE:
            yield from ((place, name) for name in view.expand_range(pattern))


def _shapes(groups: dict[str, FeatureGroupConfig], features: dict[str, FeatureConfig]) -> ModalityShapes:
    widths = {
        group: {name: view.feature_width(features[name]) for _, name in _names(config)}
        for group, config in groups.items()
    }
    image, general, text, other = (widths.get(group, {}) for group in modalities.GROUPS)
    has_other = bool(other) or any(groups[group].sequence_features for group in groups)
    return ModalityShapes(list(image.values()), list(general.values()), text, sum(other.values()) or int(has_other))


def _check_network(review: Review, path: str, config, shapes: ModalityShapes) -> None:
    find = modalities.cmbf_faults if isinstance(config, CMBFTower) else modalities.uniter_faults
    for text in find(config, shapes):
        review.problem(path, f"{text}.", "model_config.feature_groups", *FEATURES)


def _check_lengths(review: Review, path: str, config, groups, features: dict[str, FeatureConfig]) -> None:
    """Texts are not longer than there are places for their steps."""
    limit = config.max_position_embeddings
    if not (config.use_position_embeddings and limit and TEXT in groups):
        return
    for _, name in _names(groups[TEXT][1]):
        if features[name].max_seq_len > limit:
            length = features[name].max_seq_len
            text = f'has max_position_embeddings {limit}, but the text "{name}" may have {length} steps (max_seq_len).'
            review.problem(path, f"{text} Make one of them fit the other.", *FEATURES)
