"""What is wrong with the declaration of one feature, told from the config alone.

One place for two readers: the rules of a config, which know the line of each field, and the transforms, which are made
of messages that may never have been checked.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from easymtl.config import view
from easymtl.config.expressions import COMPARISONS, ExpressionFault, names_in, parse_expression
from easymtl.config.fault import Fault
from easymtl.config.rules.growing import growing_faults
from easymtl.config.rules.normalizers import normalizer_fault
from easymtl.config.rules.number_embeddings import number_embedding_faults
from easymtl.config.rules.review import INPUT_TYPES
from easymtl.config.vocabulary import inspect_vocabulary, list_problems
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

TABLE_SOURCES = ("growing", "hash_bucket_size", "vocab_list", "vocab_file", "num_buckets")
_MOST_INPUTS = 1000
_EXTREMES = ("max", "min")
_OF_VECTORS = ("sum", "mean", "sqrtn")
_OF_PARTS = ("sum", "mean", "max", "min")
_FLOATS = ("FLOAT", "DOUBLE")
_WIDTH = "needs embedding_dim, for example embedding_dim: 16."


class _Type(NamedTuple):
    """What a feature type takes: how many inputs, and what can be wrong with it, given the types of its inputs."""

    fewest_inputs: int
    most_inputs: int
    faults: Callable[[FeatureConfig, Sequence[str]], Iterator[Fault]]


def feature_faults(feature: FeatureConfig, input_types: Sequence[str] = ()) -> Iterator[Fault]:
    """Yields what is wrong with a feature.

    Args:
        feature: the declaration.
        input_types: the declared type of each of its inputs, such as `FLOAT`; empty where it has none.
    """
    kind, count = _TYPES[feature.feature_type], len(feature.input_names)
    if not count:
        yield Fault("", "has no input_names.")
    elif not kind.fewest_inputs <= count <= kind.most_inputs:
        wanted = f"{kind.fewest_inputs}" if kind.fewest_inputs == kind.most_inputs else f"1 to {kind.most_inputs}"
        name = FeatureConfig.FeatureType.Name(feature.feature_type)
        yield Fault("", f"has {count} input_names; {name} takes {wanted}.")
    yield from kind.faults(feature, input_types)
    yield from number_embedding_faults(feature)
    yield from growing_faults(feature)


def table_sources(feature: FeatureConfig) -> list[str]:
    """Returns the fields of a feature that say how rows are found; the first is the one that counts."""
    fixed = [source for source in TABLE_SOURCES[1:] if getattr(feature, source)]
    return fixed if view.growing_of(feature) is None else [TABLE_SOURCES[0], *fixed]


def _of_table(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    """A feature with a table says how rows are found and how wide they are."""
    sources = table_sources(feature)
    if not sources:
        is_history = feature.feature_type == FeatureConfig.SequenceFeature
        numbers = " Steps that are numbers have sub_feature_type: RawFeature." if is_history else ""
        yield Fault("", f"needs one of {', '.join(TABLE_SOURCES)}, for example hash_bucket_size: 100000.{numbers}")
    if not feature.embedding_dim:
        yield Fault("", _WIDTH)
    for problem in list_problems(feature.vocab_list):
        yield Fault("vocab_list", problem)
    if sources[:1] == ["vocab_file"]:
        for problem in inspect_vocabulary(feature.vocab_file).problems:
            yield Fault("vocab_file", problem)
    yield from _precision(feature, input_types[:1])


def _of_tags(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    yield from _of_table(feature, input_types)
    yield from _separator("separator", feature.separator)
    if len(feature.input_names) == 2 and feature.kv_separator:
        text = f'is "{feature.kv_separator}", and the weights come from a second input, too; keep one of them.'
        yield Fault("kv_separator", text)
    kind = input_types[0] if input_types and table_sources(feature)[:1] == ["num_buckets"] else ""
    if kind == "BOOL" or (kind in _FLOATS and feature.precision > 0):
        shown = "true and false" if kind == "BOOL" else f"numbers with {feature.precision} digits behind the point"
        text = (
            f'takes whole numbers, and the {kind} field "{feature.input_names[0]}" holds {shown}, as tags are texts. '
            "Declare the field as INT64, or set hash_bucket_size instead."
        )
        yield Fault("num_buckets", text, (INPUT_TYPES,))
    yield from _of_bags(feature)


def _of_map(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    yield from _of_table(feature, ())
    yield from _precision(feature, input_types[:1])
    yield from _separator("separator", feature.separator)
    if not feature.kv_separator:
        yield Fault(
            "", 'needs kv_separator, which stands between key and value in a map, for example kv_separator: ":".'
        )
    elif set(feature.kv_separator) & set(feature.separator):
        yield Fault("kv_separator", f'"{feature.kv_separator}" splits at the same character as separator.')
    if any(kind not in ("STRING", "") for kind in input_types[1:]):
        text = f'needs a STRING field of maps, such as "a:x|b:y"; "{feature.input_names[1]}" is {input_types[1]}.'
        yield Fault("input_names[1]", text, (INPUT_TYPES,))
    yield from _of_bags(feature)


def _of_bags(feature: FeatureConfig) -> Iterator[Fault]:
    """Vectors are combined by weights."""
    if feature.combiner in _EXTREMES:
        yield Fault("combiner", f'"{feature.combiner}" is for numbers; vectors take {quoted(_OF_VECTORS)}.')


def _of_parts(feature: FeatureConfig) -> Iterator[Fault]:
    yield from _separator("seq_multi_sep", feature.seq_multi_sep)
    if feature.combiner not in _OF_PARTS:
        text = f'"{feature.combiner}" makes no number of several (seq_multi_sep); allowed are {quoted(_OF_PARTS)}.'
        yield Fault("combiner", text)
    if feature.raw_input_dim > 1:
        text = f"{feature.raw_input_dim} and seq_multi_sep exclude each other: the parts of a text make one number."
        yield Fault("raw_input_dim", text)


def _of_numbers(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    if view.has_parts(feature):
        yield from _of_parts(feature)
    elif feature.embedding_dim and not feature.boundaries:
        yield from _of_bags(feature)
    boundaries = list(feature.boundaries)
    has_scale = feature.max_val > feature.min_val
    if any(not low < high for low, high in pairwise(boundaries)):
        yield Fault("boundaries", f"{boundaries} must ascend, each larger than the one before.")
    has_buckets = bool(boundaries) or (feature.num_buckets > 1 and has_scale)
    if has_buckets and feature.raw_input_dim > 1:
        field = "boundaries" if boundaries else "num_buckets"
        yield Fault(field, f"take one number, but raw_input_dim is {feature.raw_input_dim}.")
    if has_buckets and not feature.embedding_dim:
        yield Fault("", "has buckets, so it needs embedding_dim, for example embedding_dim: 16.")
    if feature.max_val < feature.min_val:
        yield Fault("max_val", f"{feature.max_val:g} is less than min_val {feature.min_val:g}.")
    if feature.raw_input_dim > 1:
        if any(kind not in ("STRING", "") for kind in input_types[:1]):
            text = f"{feature.raw_input_dim} needs a STRING field of numbers with a separator between them."
            yield Fault("raw_input_dim", text, (INPUT_TYPES,))
        yield from _separator("separator", feature.separator)
    fault = normalizer_fault(feature.normalizer_fn) if feature.normalizer_fn else ""
    if fault:
        yield Fault("normalizer_fn", fault)


def _of_expression(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    if not feature.expression:
        example = f"{(*feature.input_names, 'age')[0]} >= 18"
        yield Fault("", f'needs expression, a formula over its input_names, for example expression: "{example}".')
        return
    try:
        names = names_in(parse_expression(feature.expression, COMPARISONS, list(feature.input_names)))
    except ExpressionFault as fault:
        yield Fault("expression", str(fault))
        return
    if not names:
        yield Fault(
            "expression", f'"{feature.expression}" names none of its input_names, so it is the same in all rows.'
        )
    if feature.raw_input_dim > 1:
        yield Fault("raw_input_dim", f"{feature.raw_input_dim} has no meaning: an expression is one number.")
    else:
        yield from _of_numbers(feature, ())


def _of_history(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    yield from _separator("separator", feature.separator)
    if feature.seq_multi_sep:
        yield from _separator("seq_multi_sep", feature.seq_multi_sep)
        if set(feature.seq_multi_sep) & set(feature.separator):
            yield Fault("seq_multi_sep", f'"{feature.seq_multi_sep}" splits at the same character as separator.')
    if any(kind not in ("STRING", "") for kind in input_types[:1]):
        text = f'of the {input_types[0]} field "{feature.input_names[0]}" has one step; declare the field as STRING.'
        yield Fault("", f"a history {text}", (INPUT_TYPES,))
    if feature.sub_feature_type == FeatureConfig.IdFeature:
        yield from _of_table(feature, ())
    elif feature.sub_feature_type == FeatureConfig.RawFeature:
        yield from _of_number_steps(feature)
    else:
        name = FeatureConfig.FeatureType.Name(feature.sub_feature_type)
        yield Fault("sub_feature_type", f"{name} is no kind of step; allowed are IdFeature and RawFeature.")
    yield from _of_combiner(feature)
    yield from _of_bags(feature)


def _of_number_steps(feature: FeatureConfig) -> Iterator[Fault]:
    boundaries = list(feature.boundaries)
    if any(not low < high for low, high in pairwise(boundaries)):
        yield Fault("boundaries", f"{boundaries} must ascend, each larger than the one before.")
    has_buckets = bool(boundaries) or (feature.num_buckets > 1 and feature.max_val > feature.min_val)
    if has_buckets and not feature.embedding_dim:
        yield Fault("", "has buckets, so it needs embedding_dim, for example embedding_dim: 16.")
    if has_buckets and feature.raw_input_dim > 1:
        field = "boundaries" if boundaries else "num_buckets"
        yield Fault(field, f"take one number, but raw_input_dim is {feature.raw_input_dim}.")
    if feature.raw_input_dim > 1 and not feature.seq_multi_sep:
        text = f"{feature.raw_input_dim} needs seq_multi_sep, which stands between the numbers of a step."
        yield Fault("raw_input_dim", text)
    if feature.hash_bucket_size:
        text = "has no meaning for steps of numbers; use boundaries, num_buckets with min_val and max_val, or neither."
        yield Fault("hash_bucket_size", text)


def _of_combiner(feature: FeatureConfig) -> Iterator[Fault]:
    if feature.sequence_combiner.WhichOneof("combiner") != "text_cnn":
        return
    cnn = feature.sequence_combiner.text_cnn
    sizes, counts, length = list(cnn.filter_sizes), list(cnn.num_filters), cnn.pad_sequence_length
    if not sizes or len(sizes) != len(counts):
        text = f"has {len(sizes)} filter_sizes and {len(counts)} num_filters; each size needs a number of filters."
        yield Fault("sequence_combiner", f"text_cnn {text}")
    elif length < max(sizes):
        text = f"{length} is shorter than the largest filter, {max(sizes)}; set it to the steps that shall count."
        yield Fault("sequence_combiner", f"text_cnn.pad_sequence_length {text}")


def _of_combination(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    if not feature.hash_bucket_size and view.growing_of(feature) is None:
        yield Fault("", "needs hash_bucket_size or growing: a ComboFeature hashes its crossed values.")
    if not feature.embedding_dim:
        yield Fault("", _WIDTH)
    separators, inputs = list(feature.combo_input_seps), len(feature.input_names)
    if len(separators) not in (0, inputs):
        text = f'has {len(separators)} entries for {inputs} input_names; give one each, "" where an input is not split.'
        yield Fault("combo_input_seps", text)
    for place, separator in enumerate(separators):
        if separator:
            yield from _separator(f"combo_input_seps[{place}]", separator)
    if any(separators) and feature.combo_join_sep:
        yield Fault("combo_join_sep", "and combo_input_seps exclude each other; keep one of them.")
    if any(separators):
        yield from _of_bags(feature)
    yield from _precision(feature, input_types)


def _separator(field: str, separator: str) -> Iterator[Fault]:
    """Texts are split at each of the characters of a separator, which must be of one byte."""
    if not separator or not separator.isascii():
        yield Fault(field, f'"{separator}" cannot split text; give one ASCII character, for example "|".')


def _precision(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    for name, kind in zip(feature.input_names, input_types):
        if feature.precision < 0 and kind in _FLOATS:
            text = (
                f'reads the {kind} field "{name}" as text and needs precision, the digits behind the point, for '
                "example precision: 2; or declare the field as STRING or INT64."
            )
            yield Fault("", text, (INPUT_TYPES,))


def _of_inputs_alone(feature: FeatureConfig, input_types: Sequence[str]) -> Iterator[Fault]:
    """The type is checked by the number of its inputs alone."""
    yield from ()


_TYPES = {
    FeatureConfig.IdFeature: _Type(1, 1, _of_table),
    FeatureConfig.TagFeature: _Type(1, 2, _of_tags),
    FeatureConfig.RawFeature: _Type(1, 1, _of_numbers),
    FeatureConfig.ComboFeature: _Type(1, _MOST_INPUTS, _of_combination),
    FeatureConfig.LookupFeature: _Type(2, 2, _of_map),
    FeatureConfig.SequenceFeature: _Type(1, 1, _of_history),
    FeatureConfig.ExprFeature: _Type(1, _MOST_INPUTS, _of_expression),
    FeatureConfig.PassThroughFeature: _Type(1, 1, _of_inputs_alone),
}
