"""The column of a feature as it comes, for blocks that read no embeddings."""

import tensorflow as tf

from easymtl.config.rules.feature_faults import table_sources
from easymtl.features.lookups import is_missing
from easymtl.features.pieces import Dense, Plain, count, expect
from easymtl.features.raw_feature import RawFeature
from easymtl.features.text import as_numbers, as_text
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig


class PlainFeature(Transform):
    """The value of a feature before it is looked up.

    That is of an IdFeature with `num_buckets` the whole number, int64, -1 where it is missing; of another IdFeature the
    text; of a RawFeature the scaled number, float32 `[n]`, or `[n, raw_input_dim]`; of a PassThroughFeature the field:
    float32, int64 or text.

    Attributes:
        dtype: of the values.
    """

    def __init__(self, feature: FeatureConfig, input_type: str):
        super().__init__(feature)
        self.kind = Plain
        self.width = 1
        self._raw: RawFeature | None = None
        if feature.feature_type == FeatureConfig.RawFeature:
            self._raw = RawFeature(without_table(feature))
            self.dtype, self.width = tf.float32, self._raw.width
        elif feature.feature_type == FeatureConfig.PassThroughFeature:
            self.dtype = {"STRING": tf.string, "FLOAT": tf.float32, "DOUBLE": tf.float32}.get(input_type, tf.int64)
        else:
            self.dtype = tf.int64 if table_sources(feature)[:1] == ["num_buckets"] else tf.string

    def per_value(self, position: int, column: tf.Tensor) -> Plain:
        """Returns the values."""
        if self._raw is not None:
            numbers = expect(self._raw.per_value(position, column), Dense)
            return Plain(numbers.values[:, 0] if self.width == 1 else numbers.values, numbers.counts)
        return Plain(self._values(column), {"missing": count(is_missing(column))})

    def _values(self, column: tf.Tensor) -> tf.Tensor:
        if self.dtype == tf.string:
            return as_text(column, self.feature.precision)
        if column.dtype == tf.string:
            column = as_numbers(column, tf.int64, "-1")
        return tf.cast(column, self.dtype)


def without_table(feature: FeatureConfig) -> FeatureConfig:
    """Returns the declaration of the numbers of a feature, without what is made of them."""
    result = FeatureConfig()
    result.CopyFrom(feature)
    for field in ("boundaries", "num_buckets", "embedding_dim"):
        result.ClearField(field)
    return result
