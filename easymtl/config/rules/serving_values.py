"""Rules of `serving_value`: what a field holds where rows are scored, in place of its column."""

import re
from collections.abc import Collection, Iterator

from easymtl.config import view
from easymtl.config.rules.data import is_finite, is_number, parses
from easymtl.config.rules.feature_faults import table_sources
from easymtl.config.rules.review import INPUT_TYPES, FieldType, Review, feature_name
from easymtl.config.vocabulary import read_vocabulary
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig

_OF_NUMBERS = (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)
_OF_VALUES = (FeatureConfig.TagFeature, FeatureConfig.SequenceFeature)
_WHOLE = ("INT32", "INT64")


def check_serving_values(review: Review) -> None:
    """Each is a value of its field that the readers of the field can take, and no request is left without input."""
    served = {
        f"data_config.input_fields[{index}]": field
        for index, field in enumerate(review.data.input_fields)
        if field.HasField("serving_value")
    }
    if not served:
        return
    for path, field in served.items():
        _check_value(review, f"{path}.serving_value", field)
        for name in _names(review, field):
            _check_readers(review, f"{path}.serving_value", name, field)
    _check_inputs(review, {name: path for path, field in served.items() for name in _names(review, field)})


def _check_value(review: Review, path: str, field: DatasetConfig.Field) -> None:
    kind, text = FieldType.Name(field.input_type), field.serving_value
    if kind == "STRING":
        return
    if not parses(kind, text):
        review.problem(path, f'"{text}" is no {kind}.', INPUT_TYPES)
    elif not is_finite(kind, text):
        review.problem(path, f'"{text}" is no finite {kind}.', INPUT_TYPES)


def _check_readers(review: Review, path: str, name: str, field: DatasetConfig.Field) -> None:
    if name in review.data.label_fields or name == review.data.sample_weight:
        what = "a label" if name in review.data.label_fields else "the sample weight"
        review.problem(path, f'is of "{name}", {what}, which is no input of a model. Remove it.')
        return
    readers = [feature for _, feature in review.written_features() if name in feature.input_names]
    if not readers:
        review.note(path, f'has no effect: no feature reads "{name}".')
    for feature in readers:
        of_texts = field.input_type == FieldType.STRING and feature.feature_type in _OF_NUMBERS
        numbers = _numbers(feature, field.serving_value) if of_texts else ()
        if not all(is_number(part.strip()) for part in numbers if part.strip()):
            text = f'"{field.serving_value}" is no number, and the feature "{feature_name(feature)}" reads numbers.'
            review.problem(path, text)
        for value in _unknown(feature, name, field):
            text = f'holds "{value}", which the feature "{feature_name(feature)}" does not know: it takes row 0.'
            review.note(path, text)


def _numbers(feature: FeatureConfig, text: str) -> list[str]:
    if view.has_parts(feature):
        return text.split(feature.seq_multi_sep)
    return text.split(feature.separator) if feature.raw_input_dim > 1 and feature.separator else [text]


def _check_inputs(review: Review, served: dict[str, str]) -> None:
    """Reports names of inputs that are none, and a config without any input."""
    config = review.pipeline.export_config
    named = {"multi_value_fields.input_name": config.multi_value_fields.input_name, "user_fields": config.user_fields}
    for field, names in named.items():
        for index, name in enumerate(names):
            if name in served:
                path = f"export_config.{field}[{index}]"
                review.problem(path, f'names "{name}", which has a serving_value and so is no input. Leave it out.')
    read = {name for _, feature in review.written_features() for name in feature.input_names}
    if read and read <= set(served):
        text = "as of all other fields that features read: all rows would have the same scores. Remove it from some."
        review.problem(f"{next(iter(served.values()))}.serving_value", f"is set, {text}")


def _names(review: Review, field: DatasetConfig.Field) -> Collection[str]:
    is_short = (view.range_size(field.input_name) or 1) <= view.LONGEST_RANGE
    return view.input_field_names(review.data, field) if is_short else ()


def _unknown(feature: FeatureConfig, name: str, field: DatasetConfig.Field) -> Iterator[str]:
    """Yields the values of a field that have no row of their own in the table of a feature."""
    source, kind = table_sources(feature)[:1], FieldType.Name(field.input_type)
    is_key = list(feature.input_names[:1]) == [name] and feature.feature_type in (FeatureConfig.IdFeature, *_OF_VALUES)
    if not is_key or not source or kind not in ("STRING", *_WHOLE) or view.is_number(feature):
        return
    for value in _values(feature, field.serving_value):
        if value and not _is_known(feature, source[0], value):
            yield value


def _values(feature: FeatureConfig, text: str) -> list[str]:
    if feature.feature_type not in _OF_VALUES:
        return [text]
    separators = feature.separator
    if feature.feature_type == FeatureConfig.SequenceFeature:
        separators += feature.seq_multi_sep
    pieces = re.split(f"[{re.escape(separators)}]", text) if separators else [text]
    if feature.feature_type == FeatureConfig.TagFeature and feature.kv_separator and len(feature.input_names) == 1:
        pieces = [piece.partition(feature.kv_separator)[0] for piece in pieces]
    return list(dict.fromkeys(pieces))


def _is_known(feature: FeatureConfig, source: str, value: str) -> bool:
    if source == "vocab_list":
        return value in feature.vocab_list
    if source == "vocab_file":
        found = read_vocabulary(feature.vocab_file)
        return bool(found.problems) or value in found.words
    if source == "num_buckets":
        # What is no number is told by whoever reads it as one.
        return not parses("INT64", value) or 0 <= int(value) < feature.num_buckets
    return True
