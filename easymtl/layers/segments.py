"""Sums and softmax within segments: runs of values that belong together, such as the steps of a row's history.

Segments are numbered. Everything here takes O(values) time and memory, whatever the longest segment is.
"""

import tensorflow as tf

NOTHING = -1e30
"""Takes the place of what must not count in a softmax or a log Σ exp."""


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


def segment_softmax(scores: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns weights float32 `[n]` that sum to 1 in each segment: exp(score) over the sum of its segment.

    Args:
        scores: `[n]`.
        segments: int32 `[n]`, the segment of each.
        num_segments: int32 scalar.
    """
    scores = tf.cast(scores, tf.float32)
    powers = tf.exp(scores - _largest(scores, segments, num_segments))
    return powers / tf.gather(segment_sum(powers, segments, num_segments), segments)


def _largest(values: tf.Tensor, segments: tf.Tensor, num_segments: tf.Tensor) -> tf.Tensor:
    """Returns the largest value of the segment of each value, `[n]`, as a constant of the gradient."""
    largest = tf.math.unsorted_segment_max(tf.stop_gradient(values), segments, num_segments)
    return tf.gather(largest, segments)
