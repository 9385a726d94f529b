"""ComboFeature: the combination of several values as one categorical value."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from easymtl.config.view import growing_of, num_growing_rows
from easymtl.features.combiners import fold
from easymtl.features.growing.id_keys import keys_of_texts
from easymtl.features.limits import require_few_combinations, require_few_combinations_of_rows
from easymtl.features.lookups import is_missing
from easymtl.features.pieces import Bags, Ids, Piece, Text, count, expect
from easymtl.features.text import Items, as_text, counts_by_row, rows_and_places, split
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig

HASH_KEY = 0xDECAFCAFFE
"""Where TensorFlow's crossed columns start their chain of fingerprints."""

_MOST_BUCKETS = 2**63 - 1


class ComboFeature(Transform):
    """The row is h_k mod buckets, h_0 = 0xDECAFCAFFE, h_i = FingerprintCat64(h_(i-1), Fingerprint64(value_i)).

    An empty value is a value like others. With `combo_join_sep` the joined texts are hashed instead. Inputs with a
    separator in `combo_input_seps` hold several values; the feature is then the bag of all combinations of a row.

    The key of a growing table is h_k mod 2^63 - 1, or that of the joined text, see `growing.id_keys`.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.is_multiple = any(feature.combo_input_seps)
        growing = growing_of(feature)
        self.is_growing = growing is not None
        self.num_rows = int(feature.hash_bucket_size) if growing is None else num_growing_rows(growing)
        self.kind = Bags if self.is_multiple else Ids
        self.is_weighted = self.is_multiple and feature.combiner != "sum"

    def separators(self, position: int) -> str:
        """Returns the characters at which texts of the input at `position` are split, if they are."""
        return self.feature.combo_input_seps[position] if self.is_multiple else ""

    def per_value(self, position: int, column: tf.Tensor | Items) -> Piece:
        """Returns the fingerprints of values `[n]` (of each of their parts), or their text if it is to be joined."""
        text = as_text(column, self.feature.precision)
        counts = {"missing": count(is_missing(column))}
        if self.feature.combo_join_sep:
            return Text(text, counts)
        if self.separators(position):
            parts = split(text, self.separators(position))
            return Bags(parts.pieces.each(_fingerprints), parts.lengths, None, counts)
        return Ids(_fingerprints(text), counts)

    def per_row(self, pieces: Sequence[Piece]) -> Ids | Bags:
        """Returns the combination of each row."""
        counts = {"missing": sum(piece.counts["missing"] for piece in pieces)}
        if self.feature.combo_join_sep:
            joined = tf.strings.join([expect(piece, Text).text for piece in pieces], self.feature.combo_join_sep)
            if self.is_growing:
                return Ids(keys_of_texts(joined), counts)
            return Ids(tf.strings.to_hash_bucket_fast(joined, self.num_rows), counts)
        if not self.is_multiple:
            crossed = self._cross([], [], [], [expect(piece, Ids).ids[:, tf.newaxis] for piece in pieces])
            return Ids(crossed.output_values, counts)
        bags = [piece if isinstance(piece, Bags) else _single(expect(piece, Ids)) for piece in pieces]
        with tf.control_dependencies(require_few_combinations(self.feature_name, [bag.lengths for bag in bags])):
            return self._combined(bags, counts)

    def check_rows(self, pieces: Sequence[Piece], text_of: Callable[[int], str]) -> None:
        """Checks that no row has more combinations than memory is to be asked for.

        Raises:
            UserError: one has, or all of them together.
        """
        if self.is_multiple:
            lengths = [piece.lengths.numpy() for piece in pieces if isinstance(piece, Bags)]
            require_few_combinations_of_rows(self.feature_name, self.inputs, lengths, text_of)

    def _combined(self, bags: Sequence[Bags], counts: dict[str, tf.Tensor]) -> Bags:
        num_rows = tf.shape(bags[0].lengths, out_type=tf.int64)[0]
        places = [tf.stack(rows_and_places(bag.lengths), axis=1) for bag in bags]
        shapes = [tf.stack([num_rows, tf.reduce_max(tf.concat([bag.lengths, [1]], 0))]) for bag in bags]
        crossed = self._cross(places, [bag.ids for bag in bags], shapes, [])
        rows = crossed.output_indices[:, 0]
        lengths = counts_by_row(tf.ones_like(rows), rows, num_rows)
        return fold(Bags(crossed.output_values, lengths, None, counts), rows, self.feature.combiner)

    def _cross(self, indices: list, values: list, shapes: list, dense: list):
        return tf.raw_ops.SparseCross(
            indices=indices,
            values=values,
            shapes=shapes,
            dense_inputs=dense,
            hashed_output=True,
            num_buckets=_MOST_BUCKETS if self.is_growing else self.num_rows,
            hash_key=HASH_KEY,
            out_type=tf.int64,
            internal_type=tf.int64,
        )


def _fingerprints(text: tf.Tensor) -> tf.Tensor:
    """Returns Fingerprint64 of each text as int64, which a cross takes as it is."""
    return tf.bitcast(tf.fingerprint(text[:, tf.newaxis]), tf.int64)


def _single(piece: Ids) -> Bags:
    return Bags(piece.ids, tf.ones_like(piece.ids), None, piece.counts)
