"""Sums and softmax within segments: runs of values that belong together, such as the steps of a row's history.

Segments are numbered. Everything here takes O(values) time and memory, whatever the longest segment is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import tensorflow as tf

NOTHING = -1e30
"""Takes the place of what must not count in a softmax or a log Σ exp."""

_ARE_TOLD = ContextVar("kernels_are_told_how_many_segments_there_are", default=False)


@contextmanager
def known_sizes() -> Iterator[None]:
    """Has what is traced within use kernels that are told how many segments there are.

    On a processor they take ten times as long. With the others a GPU would have to be waited for, to know how many
    there are.
    """
    token = _ARE_TOLD.set(True)
    try:
        yield
    finally:
        _ARE_TOLD.reset(token)


def segment_sum(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns the sum of each segment.

    Args:
        values: `[n]` or `[n, width]`.
        segments: int32 `[n]`, the segment of each value.
        num_segments: int32 scalar; segments without values have the sum 0.

    Returns:
        `[num_segments]` or `[num_segments, width]`.
    """
    return tf.math.unsorted_segment_sum(values, segments, num_segments)


def run_sum(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns the sum of each segment where segments come one after the other; mostly faster than `segment_sum`.

    It adds in float32: a sum of many small bfloat16 numbers stands still at 256 times their size.

    Args:
        values: `[n, width]`.
        segments: int32 `[n]`, ascending: the segment of each value.
        num_segments: int32 scalar; segments without values have the sum 0.

    Returns:
        `[num_segments, width]`, of the precision of the values.
    """
    if _ARE_TOLD.get():
        return tf.cast(segment_sum(tf.cast(values, tf.float32), segments, num_segments), values.dtype)
    sums = tf.math.segment_sum(tf.cast(values, tf.float32), segments)
    missing = tf.zeros(tf.stack([num_segments - tf.shape(sums)[0], values.shape[-1]]))
    return tf.cast(tf.concat([sums, missing], axis=0), values.dtype)


@tf.custom_gradient
def spread_over_runs(rows: tf.Tensor, segments: tf.Tensor):
    """Returns of `[num_segments, width]` the row of each value's segment, `[n, width]`; segments are ascending.

    It is `tf.gather` with a gradient that sums runs and is not a sparse tensor.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        return run_sum(upstream, segments, tf.shape(rows)[0]), None

    return tf.gather(rows, segments), gradient


def segment_log_sum_exp(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns log Σ exp(values) of the segment of each value, `[n]`.

    Values far above or below the others neither overflow nor vanish.

    Args:
        values: `[n]`, a float.
        segments: int32 `[n]`, the segment of each.
        num_segments: int32 scalar.
    """
    largest = _largest(values, segments, num_segments)
    sums = segment_sum(tf.exp(values - largest), segments, num_segments)
    return tf.math.log(tf.gather(sums, segments)) + largest


@tf.custom_gradient
def run_softmax(scores: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor):
    """Returns weights `[n]` that sum to 1 in each segment: exp(score) over the sum of its segment.

    Args:
        scores: float32 `[n]`.
        segments: int32 `[n]`, ascending: the segment of each.
        num_segments: int32 scalar.
    """
    if _ARE_TOLD.get():
        largest = _largest(scores, segments, num_segments)
    else:
        largest = tf.gather(tf.math.segment_max(scores, segments), segments)
    powers = tf.exp(scores - largest)
    weights = powers / _sums_of_all(powers, segments, num_segments)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
        return weights * (upstream - _sums_of_all(weights * upstream, segments, num_segments)), None, None

    return weights, gradient


def _sums_of_all(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the segment of each value, `[n]`."""
    sums = segment_sum(values, segments, num_segments) if _ARE_TOLD.get() else tf.math.segment_sum(values, segments)
    return tf.gather(sums, segments)


def _largest(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns the largest value of the segment of each value, `[n]`, as a constant of the gradient."""
    largest = tf.math.unsorted_segment_max(tf.stop_gradient(values), segments, num_segments)
    return tf.gather(largest, segments)
