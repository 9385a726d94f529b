"""The weights of tags as the first rows have them, for a check of the data; no TensorFlow."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from easymtl.config import view
from easymtl.features.number_texts import spells_decimal
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_LARGEST = 3.4028234663852886e38


@dataclass(frozen=True)
class TagWeights:
    """The field that a TagFeature reads its weights from.

    Attributes:
        feature: the feature.
        field: its second input, or its only one when weights stand behind a kv_separator.
    """

    feature: FeatureConfig
    field: str

    def bad(self, values: Iterable[str | int | float | None]) -> list[str | int | float]:
        """Returns the values of the field, each once, that hold a weight which is no finite float32."""
        return [value for value in dict.fromkeys(values) if value is not None and not self._is_right(value)]

    def problem(self, value: str | int | float) -> str:
        """Returns what to say of a value that is not right."""
        return (
            f'field "{self.field}" of "{view.feature_name(self.feature)}" holds "{value}": '
            "weights of tags are finite numbers, up to 3.4e38."
        )

    def _is_right(self, value: str | int | float) -> bool:
        if not isinstance(value, str):
            # A number before a kv_separator would be a tag.
            return bool(self.feature.kv_separator) or abs(value) <= _LARGEST
        pieces = re.split(f"[{re.escape(self.feature.separator)}]", value)
        if self.feature.kv_separator:
            pieces = [piece.partition(self.feature.kv_separator)[2] for piece in pieces]
        return all(_is_finite(piece) for piece in pieces if piece)


def tag_weights(pipeline: Pipeline) -> list[TagWeights]:
    """Returns the weights of tags that features in groups read."""
    return [
        TagWeights(feature, feature.input_names[-1])
        for feature in view.features_in_groups(pipeline)
        if feature.feature_type == FeatureConfig.TagFeature
        if feature.kv_separator or len(feature.input_names) > 1
    ]


def _is_finite(text: str) -> bool:
    if not spells_decimal(text):
        return False
    is_hexadecimal = "0x" in text.lower()
    return abs(float.fromhex(text) if is_hexadecimal else float(text.partition("(")[0])) <= _LARGEST
