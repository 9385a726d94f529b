"""TagFeature: any number of categorical values per row, with or without weights."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.combiners import fold
from easymtl.features.lookups import Found, GrowingLookup, make_lookup
from easymtl.features.pieces import Bags, Piece, count, expect
from easymtl.features.text import Items, as_text, as_weights, counts_by_row, rows_and_places, split
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig


class TagFeature(Transform):
    """The combined vectors of tags: `a|b|b` is sum, mean or sqrtn of E_a, E_b and E_b.

    Weights stand behind `kv_separator` in each tag (`a:0.5|b:2`) or in a second input (`0.5|2`); a tag without a
    weight of its own weighs 1, weights without a tag are dropped, and both are counted as "unpaired". A weight that is
    NaN or infinite cannot be read, like a text that is no number.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.lookup = make_lookup(feature, minus_one_is_missing=False)
        self.kind = Bags
        self.num_rows = self.lookup.num_rows
        self.is_weighted = feature.combiner != "sum" or len(self.inputs) == 2 or bool(feature.kv_separator)

    def per_value(self, position: int, column: tf.Tensor | Items) -> Bags:
        """Returns the tags of values `[n]`, combined; of a second input its weights, under ids of 0."""
        if position == 1:
            return self._weights(column)
        parts = split(as_text(column, self.feature.precision), self.feature.separator)
        found, of_tags = parts.pieces.each(self._read)
        counts = {kind: _per_text(flags, parts) for kind, flags in found.counts.items()}
        if self.feature.kv_separator:
            counts["unpaired"] = _per_text(of_tags["unpaired"], parts)
        counts["missing"] = count(tf.equal(parts.lengths, 0))
        # A tag without a name takes row 0.
        ids = found.ids if isinstance(self.lookup, GrowingLookup) else tf.maximum(found.ids, 0)
        bags = Bags(ids, parts.lengths, of_tags.get("weights"), counts)
        return bags if len(self.inputs) == 2 else fold(bags, parts.rows, self.feature.combiner)

    def _read(self, tags: tf.Tensor) -> tuple[Found, dict[str, tf.Tensor]]:
        """Returns the rows of tags `[m]`, and behind a kv_separator "weights", and which are "unpaired"."""
        if not self.feature.kv_separator:
            return self.lookup(tags), {}
        names, weights = self._halves(tags)
        return self.lookup(names), {"weights": as_weights(weights), "unpaired": count(tf.equal(weights, ""))}

    def per_row(self, pieces: Sequence[Piece]) -> Bags:
        """Returns the bags of rows, the weights of the second input put to the tags of the first."""
        if len(self.inputs) == 1:
            return expect(pieces[0], Bags)
        tags, weights = (expect(piece, Bags) for piece in pieces)
        rows, places = rows_and_places(tags.lengths)
        has_weight = tf.less(places, tf.gather(weights.lengths, rows))
        firsts = tf.cumsum(weights.lengths, exclusive=True)
        # One more weight at the end: where a tag without a weight may point.
        padded = tf.concat([weights.weights, [1.0]], axis=0)
        nowhere = tf.size(weights.weights, out_type=tf.int64)
        paired = tf.gather(padded, tf.where(has_weight, tf.gather(firsts, rows) + places, nowhere))
        counts = {**tags.counts, "unpaired": tf.abs(tags.lengths - weights.lengths)}
        return fold(Bags(tags.ids, tags.lengths, paired, counts), rows, self.feature.combiner)

    def _weights(self, column: tf.Tensor | Items) -> Bags:
        """Returns the weights of a second input, under ids of 0."""
        if not isinstance(column, Items) and column.dtype != tf.string:
            ones = tf.ones_like(column, tf.int64)
            return Bags(tf.zeros_like(ones), ones, as_weights(column), {})
        parts = split(column, self.feature.separator)
        return Bags(tf.zeros_like(parts.rows), parts.lengths, parts.pieces.each(as_weights), {})

    def _halves(self, tags: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what stands before and behind the first kv_separator of each tag, twice `[m]`."""
        halves = tf.strings.split(tags, self.feature.kv_separator, maxsplit=1)
        both = halves.to_tensor("", shape=[None, 2])
        return both[:, 0], both[:, 1]


def _per_text(flags: tf.Tensor, parts) -> tf.Tensor:
    return counts_by_row(flags, parts.rows, tf.shape(parts.lengths, out_type=tf.int64)[0])
