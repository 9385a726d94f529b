"""LookupFeature: the values that a map in one field has for the key in another."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.combiners import fold
from easymtl.features.lookups import BucketLookup, HashLookup, VocabularyLookup, is_missing, make_lookup
from easymtl.features.pieces import Bags, Ids, Piece, count, expect
from easymtl.features.text import Items, as_text, counts_by_row, rows_and_places, split
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig

_KINDS = {HashLookup: (), VocabularyLookup: ("known", "unknown"), BucketLookup: ("known", "out_of_range")}


class LookupFeature(Transform):
    """The combined vectors of the values that a map `a:x|b:y|a:z` has for a key: of x and z for the key `a`.

    The first input is the key, the second the map: entries between `separator`, key and value at the first
    `kv_separator` of each. The first `lookup_max_sel_elem_num` values of the key are taken, in the order of the map. A
    row without any is the zero vector and is counted as "missing". Entries without a value are left out and counted as
    "no_value".
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.lookup = make_lookup(feature, minus_one_is_missing=False)
        self.kind = Bags
        self.num_rows = self.lookup.num_rows
        self.is_weighted = feature.combiner != "sum"
        self._kinds = _KINDS[type(self.lookup)]

    def per_value(self, position: int, column: tf.Tensor | Items) -> Piece:
        """Returns the fingerprints of keys `[n]`, or the entries of maps `[n]`, see `_entries`."""
        if position == 0:
            return Ids(_fingerprints(as_text(column, self.feature.precision)), {"missing": count(is_missing(column))})
        return self._maps(as_text(column, self.feature.precision))

    def _maps(self, maps: tf.Tensor | Items) -> Bags:
        """Returns bags in which each entry of a map is a run of numbers, see `_entries`: a bag has one column only."""
        parts = split(maps, self.feature.separator)
        numbers, is_without = parts.pieces.each(self._entries)
        without_value = counts_by_row(is_without, parts.rows, tf.size(parts.lengths, tf.int64))
        size = numbers.shape[1]
        return Bags(tf.reshape(numbers, [-1]), parts.lengths * size, None, {"no_value": without_value})

    def _entries(self, entries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the numbers of entries `[m, numbers]`, and which have no value.

        The numbers are the fingerprint of the key, the row of the value, and what is odd about the value, one number
        for each of `_kinds`.
        """
        halves = tf.strings.split(entries, self.feature.kv_separator, maxsplit=1).to_tensor("", shape=[None, 2])
        found = self.lookup(halves[:, 1])
        numbers = [_fingerprints(halves[:, 0]), found.ids, *(found.counts[kind] for kind in self._kinds)]
        return tf.stack(numbers, axis=1), found.counts["missing"]

    def per_row(self, pieces: Sequence[Piece]) -> Bags:
        """Returns the values of the keys of rows."""
        keys, maps = expect(pieces[0], Ids), expect(pieces[1], Bags)
        size = 2 + len(self._kinds)
        entries = tf.reshape(maps.ids, [-1, size])
        lengths = maps.lengths // size
        rows, _ = rows_and_places(lengths)
        is_match = tf.equal(entries[:, 0], tf.gather(keys.ids, rows)) & tf.greater_equal(entries[:, 1], 0)
        # The place of a match among those of its row: matches so far, less those of the rows before.
        num_matches = counts_by_row(count(is_match), rows, tf.size(lengths, tf.int64))
        before = tf.gather(tf.cumsum(num_matches, exclusive=True), rows)
        place = tf.cumsum(count(is_match), exclusive=True) - before
        is_taken = is_match & tf.less(place, tf.constant(self.feature.lookup_max_sel_elem_num, tf.int64))
        rows, entries = tf.boolean_mask(rows, is_taken), tf.boolean_mask(entries, is_taken)
        lengths = counts_by_row(tf.ones_like(rows), rows, tf.size(lengths, tf.int64))
        counts = {"missing": count(tf.equal(lengths, 0)), **maps.counts}
        for column, kind in enumerate(self._kinds, 2):
            counts[kind] = counts_by_row(entries[:, column], rows, tf.size(lengths, tf.int64))
        return fold(Bags(entries[:, 1], lengths, None, counts), rows, self.feature.combiner)


def _fingerprints(text: tf.Tensor) -> tf.Tensor:
    """Returns Fingerprint64 of each text as int64: two keys are taken for one if all 64 bits are."""
    return tf.bitcast(tf.fingerprint(text[:, tf.newaxis]), tf.int64)
