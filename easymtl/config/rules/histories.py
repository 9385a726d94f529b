"""Rules of histories: where they stand, and what reads them."""

from collections.abc import Iterable

from easymtl.config import view
from easymtl.config.input_groups import groups_of_vectors
from easymtl.config.rules.review import FEATURES, Review, feature_name
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig, SeqAttGroupConfig

_DEFAULT_UNITS = 1


def check_attention(review: Review) -> None:
    """Every block of sequence_features attends to histories, with keys of the same width."""
    features = {feature_name(feature): feature for _, feature in review.written_features()}
    blocks = [
        (f"model_config.feature_groups[{index}].sequence_features[{place}]", block)
        for index, group in enumerate(review.pipeline.model_config.feature_groups)
        for place, block in enumerate(group.sequence_features)
    ]
    named = ((f"{path}.group_name", block.group_name) for path, block in blocks)
    review.check_unique(named, "Its layers are named after it. Rename one of them.")
    for path, block in blocks:
        if not list(_problems_of_names(review, path, block, features)):
            _check_widths(review, path, block, features)


def check_histories_in_groups(review: Review) -> None:
    """A history in a group that is read as one vector says how its steps become one."""
    features = {feature_name(feature): feature for _, feature in review.written_features()}
    read_as_vectors = groups_of_vectors(review.pipeline)
    for index, group in enumerate(review.pipeline.model_config.feature_groups):
        if group.group_name not in read_as_vectors:
            continue
        for place, pattern in enumerate(group.feature_names):
            if (view.range_size(pattern) or 1) > view.LONGEST_RANGE:
                continue
            for name in view.expand_range(pattern):
                feature = features.get(name)
                if feature is None or feature.feature_type != FeatureConfig.SequenceFeature:
                    continue
                if not feature.sequence_combiner.WhichOneof("combiner"):
                    text = (
                        f'"{name}" is a history without sequence_combiner, and this group is read as one vector. Give '
                        "the feature sequence_combiner { attention {} } or { text_cnn { ... } }, or move it to "
                        "sequence_features { seq_att_map { key: ... hist_seq: ... } } of the group."
                    )
                    review.problem(f"model_config.feature_groups[{index}].feature_names[{place}]", text, *FEATURES)


def _problems_of_names(review: Review, path: str, block: SeqAttGroupConfig, features) -> Iterable[str]:
    """Reports names that are no features of the kind that is read there; yields the paths of them."""
    if not block.seq_att_map:
        review.problem(path, "has no seq_att_map { key: ... hist_seq: ... }.")
        yield path
    for index, one in enumerate(block.seq_att_map):
        for field, names in (("key", one.key), ("hist_seq", one.hist_seq), ("aux_hist_seq", one.aux_hist_seq)):
            at = f"{path}.seq_att_map[{index}]"
            if not names and field != "aux_hist_seq":
                review.problem(at, f"has no {field}.")
                yield at
            for place, name in enumerate(names):
                where = f"{at}.{field}[{place}]"
                review.check_feature(where, name)
                if name not in features:
                    yield where
                    continue
                is_history = features[name].feature_type == FeatureConfig.SequenceFeature
                if is_history == (field == "key"):
                    yield where
                    wanted = "what the row is about, one vector" if field == "key" else "a SequenceFeature"
                    found = FeatureConfig.FeatureType.Name(features[name].feature_type)
                    review.problem(where, f'"{name}" is a feature of type {found}; a {field} is {wanted}.', *FEATURES)


def _check_widths(review: Review, path: str, block: SeqAttGroupConfig, features) -> None:
    keys = [name for one in block.seq_att_map for name in one.key]
    histories = [name for one in block.seq_att_map for name in one.hist_seq]
    of_keys, of_histories = (sum(view.feature_width(features[name]) for name in names) for names in (keys, histories))
    if of_keys != of_histories and not block.allow_key_transform:
        text = (
            f"has keys {quoted(keys)} of width {of_keys} and histories {quoted(histories)} of width {of_histories}. "
            "Make their embedding_dim equal, or set allow_key_transform: true."
        )
        review.problem(path, text, *FEATURES)
    units = list(block.seq_dnn.hidden_units) if block.HasField("seq_dnn") else [_DEFAULT_UNITS]
    if units[-1:] != [1]:
        review.problem(f"{path}.seq_dnn", f"has hidden_units {units}; the last one is the score of a step: 1.")
