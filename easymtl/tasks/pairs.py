"""Sums over pairs of rows of one session, piece by piece.

The rows of a session are sorted by label, the highest first. The partners of a row, the rows of its session with a
lower label, then stand in one range, so that all pairs can be counted off: the number of a pair gives its two rows by a
binary search. Pairs of the whole batch come in tiles instead, some rows by the range of all their partners, which costs
no search and no scatter. No more than `PAIRS_AT_ONCE` pairs are in memory, whatever the batch: time is in proportion to
the number of pairs, memory to the batch.

The gradient is summed in the same pass as the loss, so that nothing of the pairs has to be kept for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from easymtl.tasks.sessions import run_ends, sessions_of
from easymtl.tasks.sums import Sum

PAIRS_AT_ONCE = 1 << 18

_BITS = (11, 10, 10)
"""How the 31 bits of a float that is not negative are told apart, from the highest."""


@dataclass(frozen=True)
class Pair:
    """Pairs of a higher and a lower row, float32 `[pairs]` or a tile `[high rows, low rows]`.

    Attributes:
        difference: score of the higher row minus score of the lower.
        label_difference: the same of the labels, above 0.
    """

    difference: tf.Tensor
    label_difference: tf.Tensor


PairLoss = Callable[[Pair], tuple[tf.Tensor, tf.Tensor]]
"""Gives the loss of each pair, not negative, and whether it counts (bool), in the shape of the pairs."""


@dataclass(frozen=True)
class Piece:
    """Some of the pairs.

    Attributes:
        pair: the pairs.
        weights: of each of them, 0 where a tile has a place that is no pair.
        exists: whether a place is a pair; always so outside tiles.
        to_rows: makes of derivatives for the differences the derivatives for the scores of all rows, `[rows]`.
    """

    pair: Pair
    weights: tf.Tensor
    exists: tf.Tensor
    to_rows: Callable[[tf.Tensor], tf.Tensor]

    def weighted(self, losses: tf.Tensor) -> tf.Tensor:
        """Returns weight · loss of each place; a loss of weight 0 may be infinite."""
        return tf.where(self.weights != 0, self.weights * losses, 0.0)


class Pairs(ABC):
    """All pairs of rows of one session in which the first one has the higher label.

    A pair weighs what its higher row weighs.
    """

    def __init__(self, labels: tf.Tensor, weights: tf.Tensor, counts: tf.Tensor, keys: tf.Tensor | None):
        sessions = sessions_of(keys, counts, ranks=labels)
        self._order = sessions.order
        self._labels = tf.gather(labels, sessions.order)
        self._weights = tf.gather(weights, sessions.order)
        # The partners of a row are those from the end of its label on, to the end of its session.
        self._first_partner = run_ends(sessions.segments, self._labels)
        self._num_partners = run_ends(sessions.segments, sessions.segments) - self._first_partner

    @property
    @abstractmethod
    def _num_pieces(self) -> tf.Tensor:
        """Number of pieces, an int64 scalar."""

    @abstractmethod
    def _piece(self, scores: tf.Tensor, index: tf.Tensor) -> Piece:
        """Returns a piece, for scores in the order of the rows."""

    def sum(self, scores: tf.Tensor, loss: PairLoss, hardest: float = 1.0) -> Sum:
        """Returns the sum of a loss over all pairs that count.

        Args:
            scores: float32 `[batch]`; the sum is differentiable in it, once.
            loss: the loss of pairs.
            hardest: share of the pairs that are summed, those of the largest weighted loss. Of the others nothing
                counts, nor of pairs without loss.
        """

        @tf.custom_gradient
        def total(sorted_scores: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable]:
            select = _everything if hardest >= 1 else self._hardest(sorted_scores, loss, hardest)
            gradient, *found = self._pass(sorted_scores, loss, select)

            def backward(upstream: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
                return upstream * gradient

            return tuple(tf.cast(number, tf.float32) for number in found), backward

        return Sum(*total(tf.gather(scores, self._order)))

    def _pass(self, scores: tf.Tensor, loss: PairLoss, select: Callable) -> list[tf.Tensor]:
        """Returns the gradient `[rows]` of the sum, the sum, and the numbers of pairs with a weight and of all."""

        def add(index, gradient, total, num_counted, num_all):
            piece = self._piece(scores, index)
            with tf.GradientTape() as tape:
                tape.watch(piece.pair.difference)
                losses, counts = loss(piece.pair)
            slope = tape.gradient(losses, piece.pair.difference, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            counts &= piece.exists
            weighted = tf.where(counts, piece.weighted(losses), 0.0)
            share, has_weight = select(weighted, counts & (piece.weights != 0), counts)
            slope = tf.where(counts, piece.weighted(slope), 0.0) * share
            return (
                index + 1,
                gradient + piece.to_rows(slope),
                total + tf.cast(tf.reduce_sum(weighted * share), tf.float64),
                num_counted + tf.cast(tf.reduce_sum(has_weight), tf.float64),
                num_all + tf.cast(tf.math.count_nonzero(counts), tf.float64),
            )

        none = tf.constant(0.0, tf.float64)
        return self._for_each_piece(add, tf.zeros_like(scores), none, none, none)

    def _for_each_piece(self, body: Callable, *start: tf.Tensor) -> list[tf.Tensor]:
        num_pieces = self._num_pieces
        first = tf.constant(0, tf.int64)
        return list(tf.while_loop(lambda index, *_: index < num_pieces, body, (first, *start), parallel_iterations=1))[
            1:
        ]

    def _hardest(self, scores: tf.Tensor, loss: PairLoss, share: float) -> Callable:
        """Returns what selects the pairs of the largest weighted losses."""
        *_, num_all = self._pass(scores, loss, _everything)
        number = tf.maximum(tf.round(num_all * share), 1)
        threshold, num_above, num_equal = self._threshold(scores, loss, tf.cast(number, tf.int64))
        # Pairs that tie at the threshold share what is left for them.
        left = tf.cast(tf.math.divide_no_nan(number - num_above, num_equal), tf.float32)

        def select(weighted: tf.Tensor, has_weight: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            tied = tf.where(weighted == threshold, left, 0.0)
            chosen = tf.where(counts, tf.where(weighted > threshold, 1.0, tied), 0.0)
            return chosen, tf.where(weighted > 0, chosen, 0.0)

        return select

    def _threshold(self, scores: tf.Tensor, loss: PairLoss, number: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns the `number`-th largest weighted loss, how many are above it, and how many equal it.

        The bits of a float that is not negative sort as the float does: they are found from the highest on, with a
        histogram over all pairs for each of the three `_BITS`.
        """
        prefix, shift = tf.constant(0, tf.int32), 31
        num_above = num_equal = tf.constant(0, tf.int64)
        for width in _BITS:
            histogram = self._histogram(scores, loss, prefix, shift, width)
            shift -= width
            # [bins]: how many are in this bin or above it.
            from_here = tf.cumsum(histogram, reverse=True) + num_above
            chosen = tf.maximum(tf.reduce_sum(tf.cast(from_here >= number, tf.int32)) - 1, 0)
            num_equal = histogram[chosen]
            num_above = from_here[chosen] - num_equal
            prefix = tf.bitwise.bitwise_or(tf.bitwise.left_shift(prefix, width), chosen)
        return tf.bitcast(prefix, tf.float32), tf.cast(num_above, tf.float64), tf.cast(num_equal, tf.float64)

    def _histogram(self, scores: tf.Tensor, loss: PairLoss, prefix: tf.Tensor, shift: int, width: int) -> tf.Tensor:
        """Returns int64 `[2 ** width]`: pairs by the next `width` bits, of those whose bits above `shift` are given."""
        num_bins = 1 << width

        def add(index, histogram):
            piece = self._piece(scores, index)
            losses, counts = loss(piece.pair)
            bits = tf.bitcast(tf.abs(piece.weighted(losses)), tf.int32)
            above = tf.bitwise.right_shift(bits, shift) if shift < 31 else tf.zeros_like(bits)
            bins = tf.bitwise.bitwise_and(tf.bitwise.right_shift(bits, shift - width), num_bins - 1)
            found = tf.boolean_mask(bins, counts & piece.exists & (above == prefix))
            return index + 1, histogram + tf.math.bincount(found, minlength=num_bins, dtype=tf.int64)

        return self._for_each_piece(add, tf.zeros([num_bins], tf.int64))[0]


class PairsOfSessions(Pairs):
    """The pairs within each session, one by one."""

    def __init__(self, labels: tf.Tensor, weights: tf.Tensor, counts: tf.Tensor, keys: tf.Tensor):
        """Sorts the rows.

        Args:
            labels: float32 `[batch]`.
            weights: float32 `[batch]`.
            counts: bool `[batch]`, which rows are in any pair at all.
            keys: int64 `[batch]`, equal for rows of one session.
        """
        super().__init__(labels, weights, counts, keys)
        num_partners = tf.cast(self._num_partners, tf.int64)
        self._ends = tf.cumsum(num_partners)
        # What makes of the number of a pair its lower row.
        self._shifts = tf.cast(self._first_partner, tf.int64) - (self._ends - num_partners)
        self._num_pairs = tf.reduce_sum(num_partners)

    @property
    def _num_pieces(self) -> tf.Tensor:
        return (self._num_pairs + PAIRS_AT_ONCE - 1) // PAIRS_AT_ONCE

    def _piece(self, scores: tf.Tensor, index: tf.Tensor) -> Piece:
        begin = index * PAIRS_AT_ONCE
        numbers = tf.range(begin, tf.minimum(begin + PAIRS_AT_ONCE, self._num_pairs))
        high = tf.searchsorted(self._ends, numbers, side="right")
        low = tf.cast(numbers + tf.gather(self._shifts, high), tf.int32)
        num_rows = tf.size(scores)
        return Piece(
            pair=Pair(
                difference=tf.gather(scores, high) - tf.gather(scores, low),
                label_difference=tf.gather(self._labels, high) - tf.gather(self._labels, low),
            ),
            weights=tf.gather(self._weights, high),
            exists=tf.ones_like(high, tf.bool),
            to_rows=lambda slope: (
                tf.math.unsorted_segment_sum(slope, high, num_rows) - tf.math.unsorted_segment_sum(slope, low, num_rows)
            ),
        )


class PairsOfBatch(Pairs):
    """The pairs of the whole batch, in tiles of some rows by all that have a lower label than the first of them."""

    def __init__(self, labels: tf.Tensor, weights: tf.Tensor, counts: tf.Tensor):
        """Sorts the rows.

        Args:
            labels: float32 `[batch]`.
            weights: float32 `[batch]`.
            counts: bool `[batch]`, which rows are in any pair at all.
        """
        super().__init__(labels, weights, counts, None)
        self._num_rows = tf.size(self._labels)
        self._num_high = tf.math.count_nonzero(self._num_partners, dtype=tf.int32)
        self._height = tf.maximum(PAIRS_AT_ONCE // tf.maximum(self._num_rows, 1), 1)

    @property
    def _num_pieces(self) -> tf.Tensor:
        return tf.cast((self._num_high + self._height - 1) // self._height, tf.int64)

    def _piece(self, scores: tf.Tensor, index: tf.Tensor) -> Piece:
        begin = tf.cast(index, tf.int32) * self._height
        end = tf.minimum(begin + self._height, self._num_high)
        first_low = self._first_partner[begin]
        lows = tf.range(first_low, self._num_rows)
        exists = lows[tf.newaxis] >= self._first_partner[begin:end, tf.newaxis]
        return Piece(
            pair=Pair(
                difference=scores[begin:end, tf.newaxis] - scores[tf.newaxis, first_low:],
                label_difference=self._labels[begin:end, tf.newaxis] - self._labels[tf.newaxis, first_low:],
            ),
            weights=tf.where(exists, self._weights[begin:end, tf.newaxis], 0.0),
            exists=exists,
            to_rows=lambda slope: (
                tf.pad(tf.reduce_sum(slope, axis=1), [[begin, self._num_rows - end]])
                - tf.pad(tf.reduce_sum(slope, axis=0), [[first_low, 0]])
            ),
        )


def pairs_of(labels: tf.Tensor, weights: tf.Tensor, counts: tf.Tensor, keys: tf.Tensor | None) -> Pairs:
    """Returns the pairs within each session, or of the whole batch where there are no keys of sessions."""
    if keys is None:
        return PairsOfBatch(labels, weights, counts)
    return PairsOfSessions(labels, weights, counts, keys)


def _everything(weighted: tf.Tensor, has_weight: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects every pair; returns the share of each that counts, and the same for the mean's divisor."""
    return tf.ones_like(weighted), tf.cast(has_weight, tf.float32)
