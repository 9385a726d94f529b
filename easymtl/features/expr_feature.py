"""ExprFeature: a number computed from other fields."""

import math
from collections.abc import Sequence

import tensorflow as tf

from easymtl.config.expressions import COMPARISONS, evaluate, names_in, parse_expression
from easymtl.features.arithmetic import OPERATIONS
from easymtl.features.lookups import is_missing
from easymtl.features.pieces import Number, Piece, count, expect
from easymtl.features.raw_feature import RawFeature
from easymtl.features.text import as_numbers
from easymtl.protos.feature_pb2 import FeatureConfig


class ExprFeature(RawFeature):
    """The value of `expression` over the fields in `input_names`, computed in float64; then what a RawFeature is.

    Comparisons are 1 or 0, and `&` and `|` take every number but 0 for true. An empty text and a missing number are 0;
    where a field that the expression names is NaN, so is the result, whatever the expression, and where the result is
    not finite (a division by 0) the feature contributes nothing.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.tree = parse_expression(feature.expression, COMPARISONS, list(feature.input_names))
        self.names = names_in(self.tree)

    def per_value(self, position: int, column: tf.Tensor) -> Piece:
        """Returns the numbers of values `[n]`, or the feature where there is no other input."""
        is_text = column.dtype == tf.string
        numbers = as_numbers(column, tf.float64) if is_text else tf.cast(column, tf.float64)
        number = Number(numbers, {"missing": count(is_missing(column))})
        return self._computed([number]) if len(self.inputs) == 1 else number

    def per_row(self, pieces: Sequence[Piece]) -> Piece:
        """Returns the feature of rows."""
        return pieces[0] if len(self.inputs) == 1 else self._computed([expect(piece, Number) for piece in pieces])

    def _computed(self, numbers: Sequence[Number]) -> Piece:
        values = dict(zip(self.inputs, (number.values for number in numbers), strict=True))
        # A comparison with NaN is false, which would hide it.
        is_unknown = tf.reduce_any(tf.stack([tf.math.is_nan(values[name]) for name in self.names]), axis=0)
        result = tf.where(is_unknown, tf.constant(math.nan, tf.float64), evaluate(self.tree, values, OPERATIONS))
        counts = {"missing": tf.add_n([number.counts["missing"] for number in numbers])}
        return self._made_of(result[:, tf.newaxis], counts)
