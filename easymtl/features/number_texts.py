"""Texts that features read as numbers, as the first rows have them, for a check of the data; no TensorFlow."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from easymtl.config import view
from easymtl.config.rules.feature_faults import table_sources
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_OF_IDS = (
    FeatureConfig.IdFeature,
    FeatureConfig.TagFeature,
    FeatureConfig.LookupFeature,
    FeatureConfig.SequenceFeature,
)
# What TensorFlow reads as float64 and int64, blanks around it included.
_BLANKS = r"[ \t\n\v\f\r]*"
_DECIMAL = re.compile(
    rf"{_BLANKS}[+-]?(inf(inity)?|nan(\([^)]*\))?|0x[0-9a-f]+(\.[0-9a-f]*)?(p[+-]?\d+)?"
    rf"|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?){_BLANKS}",
    re.ASCII | re.IGNORECASE,
)
_WHOLE = re.compile(rf"{_BLANKS}[+-]?\d+{_BLANKS}", re.ASCII)


def spells_decimal(text: str) -> bool:
    """Returns whether a text is read as a number, of which infinity and NaN are some."""
    return bool(_DECIMAL.fullmatch(text))


def spells_whole(text: str) -> bool:
    """Returns whether a text is read as a whole number of 64 bits."""
    return bool(_WHOLE.fullmatch(text)) and -(2**63) <= int(text) < 2**63


def no_number(field: str, features: Iterable[str], value: object) -> str:
    """Returns what to say of a value that features of a field cannot read."""
    shown = str(value) if len(str(value)) <= 60 else f"{str(value)[:57]}..."
    hint = (
        " An infinite number is no id and no weight: write null where there is none."
        if shown in ("inf", "-inf")
        else ""
    )
    return (
        f'field "{field}" of {quoted(features)} holds "{shown}", which cannot be read '
        "as a number (num_buckets takes whole ones, RawFeature decimal ones, weights finite ones; hash_bucket_size "
        f"takes any text).{hint}"
    )


@dataclass(frozen=True)
class NumberTexts:
    """A field whose values a feature reads as numbers, also where they are texts.

    Attributes:
        feature: one of numbers, such as a RawFeature or a history of them, or one whose rows are `num_buckets`.
        field: its first input, the map of a LookupFeature, or one of those of an expression.
    """

    feature: FeatureConfig
    field: str

    def bad(self, values: Iterable[str | int | float | None]) -> list[str | int | float]:
        """Returns the values of the field, each once, that the feature cannot read."""
        return [value for value in dict.fromkeys(values) if value is not None and not self._is_right(value)]

    def problem(self, value: str | int | float) -> str:
        """Returns what to say of a value that is not right."""
        return no_number(self.field, [view.feature_name(self.feature)], value)

    def _is_right(self, value: str | int | float) -> bool:
        if not isinstance(value, str):
            # A tag is a text, also that of a number; other features take numbers as they are.
            is_tag = self.feature.feature_type == FeatureConfig.TagFeature
            return not is_tag or value != value or spells_whole(self._text(value))
        spells = spells_decimal if view.is_number(self.feature) else spells_whole
        return all(spells(piece) for piece in self._pieces(value) if piece)

    def _text(self, number: int | float) -> str:
        return f"{number:.{max(self.feature.precision, 0)}f}" if isinstance(number, float) else str(number)

    def _pieces(self, text: str) -> list[str]:
        feature = self.feature
        if view.has_parts(feature):
            return _split(text, feature.seq_multi_sep)
        if feature.feature_type == FeatureConfig.RawFeature:
            return _split(text, feature.separator)[: feature.raw_input_dim] if feature.raw_input_dim > 1 else [text]
        if feature.feature_type == FeatureConfig.SequenceFeature:
            return _items(feature, text)
        if feature.feature_type == FeatureConfig.LookupFeature:
            return [entry.partition(feature.kv_separator)[2] for entry in _split(text, feature.separator)]
        if feature.feature_type != FeatureConfig.TagFeature:
            return [text]
        tags = _split(text, feature.separator)
        return [tag.partition(feature.kv_separator)[0] for tag in tags] if feature.kv_separator else tags


def number_texts(pipeline: Pipeline) -> Iterator[NumberTexts]:
    """Yields the fields that features in groups read as numbers."""
    for feature in view.features_in_groups(pipeline):
        if feature.feature_type == FeatureConfig.ExprFeature:
            yield from (NumberTexts(feature, name) for name in dict.fromkeys(feature.input_names))
        elif view.is_number(feature) or (feature.feature_type in _OF_IDS and _are_rows_numbers(feature)):
            is_map = feature.feature_type == FeatureConfig.LookupFeature
            yield NumberTexts(feature, feature.input_names[1 if is_map else 0])


def _are_rows_numbers(feature: FeatureConfig) -> bool:
    return table_sources(feature)[:1] == ["num_buckets"]


def _items(feature: FeatureConfig, text: str) -> list[str]:
    """Returns the items of the steps of a history that count."""
    limits = [int(feature.max_seq_len)]
    if feature.HasField("sequence_length") and view.is_number(feature) and not view.number_boundaries(feature):
        limits.append(int(feature.sequence_length))
    steps = _split(text, feature.separator)[: min(filter(None, limits), default=None)]
    if not feature.seq_multi_sep:
        return steps
    return [item for step in steps for item in _split(step, feature.seq_multi_sep)]


def _split(text: str, separators: str) -> list[str]:
    return re.split(f"[{re.escape(separators)}]", text)
