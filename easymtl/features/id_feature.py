"""IdFeature: one categorical value per row."""

import tensorflow as tf

from easymtl.features.lookups import make_lookup
from easymtl.features.pieces import Ids
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig


class IdFeature(Transform):
    """A value becomes the row of its hash, of its place in a vocabulary, or of itself as a number.

    A missing value ('' or NaN; with `num_buckets` also -1) becomes the zero vector; an empty integer is 0 and has
    its row. An unknown or out-of-range value takes row 0.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.lookup = make_lookup(feature, minus_one_is_missing=True)
        self.num_rows = self.lookup.num_rows

    def per_value(self, position: int, column: tf.Tensor) -> Ids:
        """Returns the rows of values `[n]`."""
        return Ids(*self.lookup(column))
