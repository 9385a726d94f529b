"""Rows put in order of their sessions, and sums over sessions, without a tensor of batch² anywhere.

A session is what shares a key. Everything here is range arithmetic, gathers and segment sums, in O(batch log batch)
time and O(batch) memory.
"""

from dataclasses import dataclass

import tensorflow as tf

from easymtl.layers.segments import NOTHING, segment_log_sum_exp, segment_sum


@dataclass(frozen=True)
class Sessions:
    """The rows that count, sorted by session; rows of one session stand together.

    Attributes:
        order: int32 `[rows]`, their places in the batch.
        segments: int32 `[rows]`, number of the session of each, ascending from 0.
        num_sessions: int32 scalar.
    """

    order: tf.Tensor
    segments: tf.Tensor
    num_sessions: tf.Tensor

    def sizes(self) -> tf.Tensor:
        """Returns the number of rows of each row's session, float32 `[rows]`."""
        return self.sums(tf.ones_like(self.order, tf.float32))

    def sums(self, values: tf.Tensor) -> tf.Tensor:
        """Returns for values `[rows]` the sum over each row's session, `[rows]`."""
        return tf.gather(self.totals(values), self.segments)

    def totals(self, values: tf.Tensor) -> tf.Tensor:
        """Returns for values `[rows]` the sum over each session, `[sessions]`."""
        return segment_sum(values, self.segments, self.num_sessions)

    def log_sum_exp(self, values: tf.Tensor, counts: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log Σ exp(values) over each row's session, `[rows]`, for values `[rows]`.

        Args:
            values: any float; those far above or below the others neither overflow nor vanish.
            counts: bool `[rows]`, which values take part, or None for all of them. A session without any has a very
                large negative sum.
        """
        if counts is not None:
            values = tf.where(counts, values, NOTHING)
        return segment_log_sum_exp(values, self.segments, self.num_sessions)

    def log_softmax(self, values: tf.Tensor) -> tf.Tensor:
        """Returns the log of the softmax within each session, `[rows]`, for values `[rows]`."""
        return values - self.log_sum_exp(values)


def sessions_of(keys: tf.Tensor | None, counts: tf.Tensor, ranks: tf.Tensor | None = None) -> Sessions:
    """Returns the sessions among the rows that count.

    Args:
        keys: int64 `[batch]`, equal for rows of one session; None makes the whole batch one session.
        counts: bool `[batch]`, which rows there are.
        ranks: float32 `[batch]`, what rows of one session are sorted by, the highest first; None keeps their order.
    """
    order = tf.cast(tf.where(counts)[:, 0], tf.int32)
    if ranks is not None:
        order = tf.gather(order, tf.argsort(tf.gather(ranks, order), direction="DESCENDING", stable=True))
    if keys is None:
        return Sessions(order, tf.zeros_like(order), tf.minimum(tf.size(order), 1))
    order = tf.gather(order, tf.argsort(tf.gather(keys, order), stable=True))
    starts = _changes(tf.gather(keys, order))
    segments = tf.cumsum(starts) - 1
    return Sessions(order, segments, tf.reduce_sum(starts))


def run_ends(segments: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns where the run of equal values ends in which each row stands, int32 `[rows]`.

    Args:
        segments: int32 `[rows]`, ascending; runs end with them.
        values: `[rows]`, sorted within each segment.
    """
    starts = tf.maximum(_changes(segments), _changes(values))
    runs = tf.cumsum(starts) - 1
    lengths = segment_sum(tf.ones_like(runs), runs, tf.reduce_sum(starts))
    return tf.gather(tf.cumsum(lengths), runs)


def _changes(values: tf.Tensor) -> tf.Tensor:
    """Returns 1 where a value differs from the one before it, and for the first one, else 0; int32 `[rows]`."""
    differs = tf.cast(tf.not_equal(values[1:], values[:-1]), tf.int32)
    return tf.concat([tf.ones_like(values[:1], tf.int32), differs], axis=0)
