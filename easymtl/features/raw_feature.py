"""RawFeature: numbers, as they are, in buckets, or times a vector."""

import tensorflow as tf

from easymtl.config.view import has_parts, number_boundaries
from easymtl.features.combiners import fold
from easymtl.features.lookups import is_missing
from easymtl.features.normalizers import normalizer
from easymtl.features.pieces import Bags, Counts, Dense, Ids, Piece, count
from easymtl.features.text import Items, as_numbers, split
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig

_COMBINERS = {
    "max": tf.math.unsorted_segment_max,
    "min": tf.math.unsorted_segment_min,
    "sum": tf.math.unsorted_segment_sum,
    "mean": tf.math.unsorted_segment_mean,
}


class RawFeature(Transform):
    """A number x, or `raw_input_dim` numbers in one text, scaled to (x - min) / (max - min) and normalized.

    Then one of three: `boundaries` (or `num_buckets`, equal steps) pick a row of a table, bucket i being
    `[boundaries[i-1], boundaries[i])`; `embedding_dim` alone makes Σ x_i·E_i; else the numbers are the feature.
    With `seq_multi_sep` and `combiner` the number is the max, min, sum or mean of those in a text, before it is scaled.
    An empty value is 0 before scaling. NaN, and what scaling or normalizing makes not finite, contributes nothing:
    0.0 for numbers, the zero vector for buckets.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.dimension = max(int(feature.raw_input_dim), 1)
        self.boundaries = number_boundaries(feature)
        self.has_range = feature.max_val > feature.min_val
        self.normalize = normalizer(feature.normalizer_fn) if feature.normalizer_fn else tf.identity
        if self.boundaries:
            self.num_rows = len(self.boundaries) + 1
        elif self.width:
            self.kind, self.num_rows, self.is_weighted = Bags, self.dimension, True
        else:
            self.kind, self.width = Dense, self.dimension

    def separators(self, position: int) -> str:
        """Returns the characters at which texts are split, if they are."""
        return self.feature.seq_multi_sep if has_parts(self.feature) else self.feature.separator

    def per_value(self, position: int, column: tf.Tensor | Items) -> Piece:
        """Returns the bucket, the weighted bag or the numbers of values `[n]`."""
        return self._made_of(*self._read(column))

    def _made_of(self, numbers: tf.Tensor, counts: Counts) -> Piece:
        """Returns the feature of numbers `[n, dimension]` before scaling."""
        numbers = self._scale(numbers)
        # A double may be finite and yet too large for the float32 that the model computes in; buckets take any.
        finite = tf.math.is_finite(numbers if self.kind is Ids else tf.cast(numbers, tf.float32))
        counts["not_finite"] = tf.reduce_sum(count(~finite), axis=1)
        if self.kind is Ids:
            boundaries = tf.constant(self.boundaries, numbers.dtype)
            buckets = tf.searchsorted(boundaries, numbers[:, 0], side="right", out_type=tf.int64)
            return Ids(tf.where(finite[:, 0], buckets, tf.constant(-1, tf.int64)), counts)
        numbers = tf.cast(tf.where(finite, numbers, tf.zeros_like(numbers)), tf.float32)
        return Dense(numbers, counts) if self.kind is Dense else self._bags(numbers, counts)

    def _read(self, column: tf.Tensor | Items) -> tuple[tf.Tensor, Counts]:
        """Returns the numbers of values, `[n, dimension]`."""
        if isinstance(column, Items) or column.dtype == tf.string:
            return self._parse(column)
        numbers = tf.cast(column, number_type(column.dtype))[:, tf.newaxis]
        return numbers, {"missing": count(is_missing(column))}

    def _parse(self, column: tf.Tensor | Items) -> tuple[tf.Tensor, Counts]:
        if has_parts(self.feature):
            return self._combined(column)
        if self.dimension == 1:
            assert not isinstance(column, Items), "a list is more than one number"
            surplus = tf.zeros_like(column, tf.int64)
            numbers = as_numbers(column[:, tf.newaxis], tf.float64)
        else:
            parts = split(column, self.feature.separator, keep_empty=True)
            surplus = tf.maximum(parts.lengths - self.dimension, 0)
            inside = parts.kept(tf.less(parts.positions, self.dimension))
            places = tf.stack([inside.rows, inside.positions], axis=1)
            shape = tf.stack([tf.size(parts.lengths, tf.int64), self.dimension])
            numbers = tf.scatter_nd(places, inside.pieces.each(_doubles), shape)
        return numbers, {"missing": count(is_missing(column)), "surplus": surplus}

    def _combined(self, column: tf.Tensor | Items) -> tuple[tf.Tensor, Counts]:
        """Returns the one number that the parts of each text make, `[n, 1]`; 0 where there are none."""
        parts = split(column, self.feature.seq_multi_sep)
        combine = _COMBINERS[self.feature.combiner]
        made = combine(parts.pieces.each(_doubles), parts.rows, tf.size(parts.lengths, tf.int64))
        is_empty = tf.equal(parts.lengths, 0)
        return tf.where(is_empty, tf.zeros_like(made), made)[:, tf.newaxis], {"missing": count(is_empty)}

    def _scale(self, numbers: tf.Tensor) -> tf.Tensor:
        low, high = self.feature.min_val, self.feature.max_val
        if self.has_range:
            numbers = (numbers - tf.constant(low, numbers.dtype)) / tf.constant(high - low, numbers.dtype)
        return self.normalize(numbers)

    def _bags(self, numbers: tf.Tensor, counts: Counts) -> Bags:
        num_values = tf.shape(numbers, out_type=tf.int64)[0]
        rows, ids = tf.meshgrid(tf.range(num_values), tf.range(self.dimension, dtype=tf.int64), indexing="ij")
        lengths = tf.fill([num_values], tf.constant(self.dimension, tf.int64))
        bags = Bags(tf.reshape(ids, [-1]), lengths, tf.reshape(numbers, [-1]), counts)
        # Where the combiner is that of the parts, what it made is one number.
        combiner = "sum" if has_parts(self.feature) else self.feature.combiner
        return fold(bags, tf.reshape(rows, [-1]), combiner)


def number_type(dtype: tf.DType) -> tf.DType:
    """Returns the type in which numbers of a type are scaled.

    64-bit inputs (timestamps, large counts) are scaled before they lose digits, and so are numbers in text.
    """
    return tf.float32 if dtype.size < 8 and dtype != tf.int32 else tf.float64


def _doubles(texts: tf.Tensor) -> tf.Tensor:
    return as_numbers(texts, tf.float64)
