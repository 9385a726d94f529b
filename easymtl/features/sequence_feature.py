"""SequenceFeature: a history, any number of steps per row, each of one or more items."""

from typing import NamedTuple

import tensorflow as tf

from easymtl.config.view import number_boundaries
from easymtl.features.combiners import fold
from easymtl.features.lookups import GrowingLookup, HashLookup, VocabularyLookup, make_lookup
from easymtl.features.pieces import Bags, Counts, Dense, Ids, Sequence, count
from easymtl.features.side_by_side import most_steps
from easymtl.features.text import (
    Items,
    Pieces,
    Split,
    as_numbers,
    as_text,
    counts_by_row,
    split,
    split_each,
    split_whole,
)
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import FeatureConfig


class _Items(NamedTuple):
    """Items of steps.

    Attributes:
        texts: p of them.
        steps: int64 `[p]`, the step of each.
        places: int64 `[p]`, its place in the step.
        lengths: int64 `[n]`, the items of each step.
    """

    texts: Pieces
    steps: tf.Tensor
    places: tf.Tensor
    lengths: tf.Tensor


class SequenceFeature(Transform):
    """`a|b|b` is the history of steps a, b, b; with `seq_multi_sep`, each step is split once more into items.

    Steps are ids (`sub_feature_type: IdFeature`) or numbers (`RawFeature`): in buckets, times a vector, or as they are.
    An empty piece is a step: `''` has one, `x||y` three. Of two levels empty items are dropped, a step without items is
    the zero vector, and steps without items at the end of a history are none, unless another history is read side by
    side with it: then they are steps like the other's. An empty text is hashed like any other; where a number has to
    be, it is the zero vector. Unknown and out-of-range items take row 0.

    `max_seq_len`, and `sequence_length` of numbers, keep the first steps.

    Attributes:
        is_side_by_side: whether its steps belong to those of another history.
    """

    def __init__(self, feature: FeatureConfig):
        super().__init__(feature)
        self.kind = Sequence
        self.is_side_by_side = False
        self.most_steps = self.most_items = most_steps(feature)
        self.is_number = feature.sub_feature_type == FeatureConfig.RawFeature
        self.boundaries = number_boundaries(feature) if self.is_number else ()
        self.dimension = max(int(feature.raw_input_dim), 1)
        self.has_items = bool(feature.seq_multi_sep)
        if not self.is_number:
            self.lookup = make_lookup(feature, minus_one_is_missing=False)
            self.num_rows = self.lookup.num_rows
            self.kind_of_steps = Bags if self.has_items else Ids
            self.is_weighted = self.has_items and feature.combiner != "sum"
            return
        if self.boundaries:
            self.num_rows = len(self.boundaries) + 1
            self.kind_of_steps = Bags if self.has_items else Ids
            self.is_weighted = self.has_items
        elif self.width:
            self.num_rows, self.kind_of_steps, self.is_weighted = self.dimension, Bags, True
        else:
            self.width, self.kind_of_steps = self.dimension, Dense

    def per_value(self, position: int, column: tf.Tensor | Items) -> Sequence:
        """Returns the histories of values `[n]`."""
        column = as_text(column, self.feature.precision)
        parts = split_whole(column, self.feature.separator)
        if self.most_steps:
            parts = parts.kept(tf.less(parts.positions, self.most_steps))
        if not self.has_items:
            steps, counts = self._steps(parts)
            return Sequence(steps, parts.lengths, _by_row(counts, parts.rows, parts.lengths))
        separator, are_components = self.feature.seq_multi_sep, self._are_components
        parts, items = _items(parts, separator, keep_empty=are_components, keep_last=self.is_side_by_side)
        steps, counts = self._numbers_of(items) if self._are_components else self._bags(items)
        rows = tf.gather(parts.rows, items.steps)
        return Sequence(steps, parts.lengths, _by_row(counts, rows, parts.lengths))

    @property
    def _are_components(self) -> bool:
        """Returns whether the items of a step are the numbers of one vector."""
        return self.is_number and not self.boundaries

    def _steps(self, parts: Split) -> tuple[Ids | Bags | Dense, Counts]:
        """Returns steps of one item each, and what is odd in which of them."""
        if not self._are_components:
            ids, counts = parts.pieces.each(self._ids)
            return Ids(ids, {}), counts
        steps = tf.range(tf.size(parts.rows, out_type=tf.int64))
        return self._numbers_of(_Items(parts.pieces, steps, tf.zeros_like(steps), tf.ones_like(steps)))

    def _ids(self, texts: tf.Tensor) -> tuple[tf.Tensor, Counts]:
        """Returns the rows of items `[m]`, -1 for the zero vector."""
        if self.boundaries:
            missing = tf.equal(texts, "")
            numbers = self._scaled(as_numbers(texts, tf.float64))
            buckets = tf.searchsorted(tf.constant(self.boundaries, tf.float64), numbers, side="right")
            is_none = missing | tf.math.is_nan(numbers)
            ids = tf.where(is_none, tf.constant(-1, tf.int64), tf.cast(buckets, tf.int64))
            return ids, {"not_finite": count(is_none & ~missing)}
        if isinstance(self.lookup, HashLookup):
            return tf.strings.to_hash_bucket_fast(texts, self.num_rows), {}
        found = self.lookup(texts)
        counts = {kind: flags for kind, flags in found.counts.items() if kind != "missing"}
        return tf.maximum(found.ids, 0) if isinstance(self.lookup, VocabularyLookup) else found.ids, counts

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        """Returns numbers as the boundaries mean them: those of `num_buckets` are shares of the range."""
        if self.feature.boundaries:
            return numbers
        return (numbers - self.feature.min_val) / (self.feature.max_val - self.feature.min_val)

    def _bags(self, items: _Items) -> tuple[Bags, Counts]:
        """Returns the bags of items, combined."""
        ids, counts = items.texts.each(self._ids)
        is_growing = not self.boundaries and isinstance(self.lookup, GrowingLookup)
        bags = Bags(ids if is_growing else tf.maximum(ids, 0), items.lengths, None, {})
        if self.boundaries:
            # No bucket is no row: it weighs 0.
            bags = bags._replace(weights=tf.cast(ids >= 0, tf.float32))
        return fold(bags, items.steps, self.feature.combiner), counts

    def _numbers_of(self, items: _Items) -> tuple[Bags | Dense, Counts]:
        """Returns the vectors of numbers of steps, missing ones 0, as they are or as weights of rows."""
        num_steps = tf.size(items.lengths, out_type=tf.int64)
        values, finite = items.texts.each(_finite_numbers)
        inside = tf.less(items.places, self.dimension)
        places = tf.stack([items.steps, items.places], axis=1)[inside]
        shape = tf.stack([num_steps, tf.constant(self.dimension, tf.int64)])
        table = tf.ensure_shape(tf.scatter_nd(places, values[inside], shape), [None, self.dimension])
        counts = {"not_finite": count(~finite), "surplus": count(~inside)}
        if self.kind_of_steps is Dense:
            return Dense(table, {}), counts
        ids = tf.tile(tf.range(self.dimension, dtype=tf.int64), [num_steps])
        lengths = tf.fill([num_steps], tf.constant(self.dimension, tf.int64))
        return Bags(ids, lengths, tf.reshape(table, [-1]), {}), counts


def _finite_numbers(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns numbers `[m]` float32, 0 for those that are not finite, and which are."""
    numbers = tf.cast(as_numbers(texts, tf.float64), tf.float32)
    finite = tf.math.is_finite(numbers)
    return tf.where(finite, numbers, 0.0), finite


def _items(parts: Split, separator: str, keep_empty: bool, keep_last: bool) -> tuple[Split, _Items]:
    """Splits steps into items, and unless told to keep them drops the last steps of each history that have none."""
    found = split_each(parts.pieces, lambda texts: (split_whole if keep_empty else split)(texts, separator))
    if keep_last:
        return parts, _Items(found.pieces, found.rows, found.positions, found.lengths)
    has_item = tf.greater(found.lengths, 0)
    if keep_empty:
        has_item = parts.pieces.each(lambda texts: tf.not_equal(texts, ""))
    num_rows = tf.shape(parts.lengths, out_type=tf.int64)[0]
    ends = tf.where(has_item, parts.positions + 1, tf.zeros_like(parts.positions))
    lengths = tf.maximum(tf.math.unsorted_segment_max(ends, parts.rows, num_rows), 0)
    kept = tf.less(parts.positions, tf.gather(lengths, parts.rows))
    number = tf.cumsum(tf.cast(kept, tf.int64)) - 1
    of_kept = found.kept(tf.gather(kept, found.rows))
    steps = tf.gather(number, of_kept.rows)
    return parts.kept(kept), _Items(of_kept.pieces, steps, of_kept.positions, of_kept.lengths[kept])


def _by_row(counts: Counts, rows: tf.Tensor, lengths: tf.Tensor) -> Counts:
    num_rows = tf.shape(lengths, out_type=tf.int64)[0]
    return {kind: counts_by_row(flags, rows, num_rows) for kind, flags in counts.items()}
