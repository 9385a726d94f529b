"""Rules of the features: names, inputs, tables, and what each type needs."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from easymtl.config.names import NORMALIZERS, normalizer_name
from easymtl.config.rules.review import FEATURES, INPUT_TYPES, Review, feature_name
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_TABLE_SOURCES = ("hash_bucket_size", "vocab_list", "vocab_file", "num_buckets")
_MOST_INPUTS = 1000


class _Type(NamedTuple):
    """What a feature type takes: how many inputs, and a rule of its own."""

    fewest_inputs: int
    most_inputs: int
    rule: Callable[[Review, str, FeatureConfig], None]


def check_features(review: Review) -> None:
    """Every feature has a name of its own, inputs that exist, and what its type needs."""
    if review.pipeline.feature_config.features and review.pipeline.feature_configs:
        text = "and feature_config.features are both set; move all features into feature_config."
        review.problem("feature_configs", text)
    if not list(review.features()):
        review.problem("feature_config", "has no features.", *FEATURES)
    review.check_unique((path, feature_name(feature)) for path, feature in review.features())
    for path, feature in review.features():
        _check_inputs(review, path, feature)
        rule = _TYPES.get(feature.feature_type)
        if rule:
            rule.rule(review, path, feature)


def check_shared_tables(review: Review) -> None:
    """Features with one embedding_name agree in everything that makes the table."""
    first: dict[str, tuple[str, FeatureConfig]] = {}
    for path, feature in review.features():
        if not feature.embedding_name:
            continue
        first_path, other = first.setdefault(feature.embedding_name, (path, feature))
        shared = _table(other)
        for what, value in _table(feature).items():
            if value != shared[what]:
                text = (
                    f'"{feature.embedding_name}" is shared with {feature_name(other)} '
                    f"({review.places.where(first_path)}), but {what} differs: {value} here, {shared[what]} there."
                )
                review.problem(f"{path}.embedding_name", text, *_damage_of_tables(path, first_path))


def _check_inputs(review: Review, path: str, feature: FeatureConfig) -> None:
    if not feature.input_names:
        review.problem(path, "has no input_names.")
        return
    for index, name in enumerate(feature.input_names):
        review.check_input_field(f"{path}.input_names[{index}]", name)
    kind = _TYPES.get(feature.feature_type)
    count = len(feature.input_names)
    if kind and not kind.fewest_inputs <= count <= kind.most_inputs:
        wanted = f"{kind.fewest_inputs}" if kind.fewest_inputs == kind.most_inputs else f"1 to {kind.most_inputs}"
        review.problem(path, f"has {count} input_names; {_type_name(feature)} takes {wanted}.")


def _check_table(review: Review, path: str, feature: FeatureConfig) -> None:
    """A feature with a table says how rows are found and how wide they are."""
    given = [source for source in _TABLE_SOURCES if getattr(feature, source)]
    if not given:
        text = f"needs one of {', '.join(_TABLE_SOURCES)}, for example hash_bucket_size: 100000."
        review.problem(path, text)
    elif len(given) > 1:
        review.note(path, f"takes {given[0]}; {' and '.join(given[1:])} has no effect.")
    if not feature.embedding_dim:
        review.problem(path, "needs embedding_dim, for example embedding_dim: 16.")
    _check_vocabulary(review, path, feature, given)


def _check_vocabulary(review: Review, path: str, feature: FeatureConfig, given: list[str]) -> None:
    twice = sorted(word for word, count in Counter(feature.vocab_list).items() if count > 1)
    if twice:
        review.problem(f"{path}.vocab_list", f"holds {quoted(twice)} twice; remove one of them.")
    if given[:1] == ["vocab_file"] and not Path(feature.vocab_file).is_file():
        text = f'"{feature.vocab_file}" is no file (relative paths start at {Path.cwd()}).'
        review.problem(f"{path}.vocab_file", text)


def _check_raw(review: Review, path: str, feature: FeatureConfig) -> None:
    boundaries = list(feature.boundaries)
    has_scale = feature.max_val > feature.min_val
    if any(low >= high for low, high in pairwise(boundaries)):
        review.problem(f"{path}.boundaries", f"{boundaries} must ascend, each larger than the one before.")
    if boundaries and feature.raw_input_dim > 1:
        review.problem(f"{path}.boundaries", f"take one number, but raw_input_dim is {feature.raw_input_dim}.")
    if (boundaries or (feature.num_buckets > 1 and has_scale)) and not feature.embedding_dim:
        review.problem(path, "has buckets, so it needs embedding_dim, for example embedding_dim: 16.")
    if feature.max_val < feature.min_val:
        review.problem(f"{path}.max_val", f"{feature.max_val:g} is less than min_val {feature.min_val:g}.")
    elif feature.num_buckets and not has_scale:
        review.note(f"{path}.num_buckets", "has no effect without min_val and max_val.")
    if feature.hash_bucket_size:
        review.note(f"{path}.hash_bucket_size", "has no effect: a RawFeature holds numbers.")
    if feature.raw_input_dim > 1 and review.input_types.get(next(iter(feature.input_names), "")) in ("FLOAT", "DOUBLE"):
        text = f"{feature.raw_input_dim} needs a STRING field of numbers with a separator between them."
        review.problem(f"{path}.raw_input_dim", text, INPUT_TYPES)
    _check_normalizer(review, path, feature)


def _check_normalizer(review: Review, path: str, feature: FeatureConfig) -> None:
    name = normalizer_name(feature.normalizer_fn)
    if name and name not in NORMALIZERS:
        text = f'"{feature.normalizer_fn}" is none of {quoted(NORMALIZERS, 30)}.{did_you_mean(name, NORMALIZERS)}'
        review.problem(f"{path}.normalizer_fn", text)


def _check_combo(review: Review, path: str, feature: FeatureConfig) -> None:
    if not feature.hash_bucket_size:
        review.problem(path, "needs hash_bucket_size: a ComboFeature hashes its crossed values.")
    if not feature.embedding_dim:
        review.problem(path, "needs embedding_dim, for example embedding_dim: 16.")
    separators, inputs = len(feature.combo_input_seps), len(feature.input_names)
    if separators not in (0, inputs):
        review.problem(f"{path}.combo_input_seps", f"has {separators} entries for {inputs} input_names; give one each.")


def _no_rule(review: Review, path: str, feature: FeatureConfig) -> None:
    """The type is checked by its inputs alone."""


_TYPES = {
    FeatureConfig.IdFeature: _Type(1, 1, _check_table),
    FeatureConfig.TagFeature: _Type(1, 2, _check_table),
    FeatureConfig.RawFeature: _Type(1, 1, _check_raw),
    FeatureConfig.ComboFeature: _Type(1, _MOST_INPUTS, _check_combo),
    FeatureConfig.LookupFeature: _Type(2, 2, _check_table),
    FeatureConfig.SequenceFeature: _Type(1, 1, _no_rule),
    FeatureConfig.ExprFeature: _Type(1, _MOST_INPUTS, _no_rule),
    FeatureConfig.PassThroughFeature: _Type(1, 1, _no_rule),
}


def _table(feature: FeatureConfig) -> dict[str, object]:
    """Returns what makes the table of a feature."""
    initializer = " ".join(str(feature.initializer).split()) if feature.HasField("initializer") else "the default"
    return {"embedding_dim": feature.embedding_dim, "the number of rows": _rows(feature), "initializer": initializer}


def _damage_of_tables(*paths: str) -> list[str]:
    return [f"{path}.{field}" for path in paths for field in (*_TABLE_SOURCES, "embedding_dim", "boundaries")]


def _rows(feature: FeatureConfig) -> object:
    if feature.feature_type == FeatureConfig.RawFeature:
        return len(feature.boundaries) + 1 if feature.boundaries else feature.num_buckets or feature.raw_input_dim
    return feature.hash_bucket_size or len(feature.vocab_list) or feature.vocab_file or feature.num_buckets


def _type_name(feature: FeatureConfig) -> str:
    return FeatureConfig.FeatureType.Name(feature.feature_type)
