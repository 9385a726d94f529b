"""Rows of tables in fewer bytes than float32 has, and back."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from easymtl.protos import export_pb2

Parts = tuple[tf.Tensor, ...]

_DTYPES: dict[int, tf.DType] = {
    export_pb2.FLOAT32: tf.float32,
    export_pb2.FLOAT16: tf.float16,
    export_pb2.BFLOAT16: tf.bfloat16,
    export_pb2.INT8: tf.int8,
}
_STEPS = 127
# A scale below this is no normal number, and TensorFlow takes such for 0.
_SMALLEST_SCALE = np.finfo(np.float32).tiny
# 127 times this is a float32.
_LARGEST_SCALE = np.nextafter(np.float32(np.finfo(np.float32).max / _STEPS), np.float32(0))


def row_dtype(precision: int) -> tf.DType:
    """Returns the type that the numbers of rows are stored in, of a `RowPrecision`."""
    return _DTYPES[precision]


def narrowed(rows: tf.Tensor, precision: int) -> Parts:
    """Returns rows as they are stored.

    Of INT8 that is round(x / s), half to even, with s = max |x| / 127 for each row: the largest error is s / 2. A row
    whose s would be below 1.2e-38 is the zero row.

    Args:
        rows: float32 `[rows, width]`.
        precision: a `RowPrecision`.

    Returns:
        The rows `[rows, width]`; of INT8 also their scales, float32 `[rows, 1]`.
    """
    if precision != export_pb2.INT8:
        return (tf.cast(rows, row_dtype(precision)),)
    # A product: TensorFlow makes one of a division by a constant in some graphs, and bits would depend on that.
    scales = tf.reduce_max(tf.abs(rows), axis=1, keepdims=True) * np.float32(1 / _STEPS)
    is_normal = scales >= _SMALLEST_SCALE
    scales = tf.where(is_normal, tf.minimum(scales, _LARGEST_SCALE), 0.0)
    steps = tf.round(rows / tf.where(is_normal, scales, 1.0))
    steps = tf.where(is_normal, tf.clip_by_value(steps, -_STEPS, _STEPS), 0.0)
    return tf.cast(steps, tf.int8), scales


def widened(parts: Parts) -> tf.Tensor:
    """Returns stored rows, or some of them, as float32 `[..., width]`."""
    rows = tf.cast(parts[0], tf.float32)
    return rows * parts[1] if len(parts) > 1 else rows


def rounding(precision: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function that maps float32 rows `[rows, width]` to what is left of them when they were stored."""
    return lambda rows: widened(narrowed(rows, precision))
