"""Tensors that cross between the GPU and the host as one."""

import math
from collections.abc import Mapping

import tensorflow as tf

CPU = "/device:CPU:0"

Tensors = Mapping[str, tf.Tensor]

# Whole numbers up to here are float32 numbers.
_MOST_EXACT = 1 << 24


def scores_in_one_copy(scores: Tensors) -> dict[str, tf.Tensor]:
    """Returns the same tensors, taken apart on the CPU from one `[batch, columns]` that is made where they are.

    A copy from a GPU takes some ten microseconds, whatever its size, and there are two or three scores for each task.

    Args:
        scores: `[batch, ...]` by name. Those that are float32 go together, and so do classes, `y_<tower>`, of which
            `probs_<tower>` says how many there are; others are copied one by one.
    """
    together = [name for name, value in scores.items() if _goes_along(name, scores)]
    if len(together) < 2:
        return dict(scores)
    widths = [math.prod(scores[name].shape[1:]) for name in together]
    columns = [tf.reshape(tf.cast(scores[name], tf.float32), [-1, width]) for name, width in zip(together, widths)]
    stacked = tf.concat(columns, axis=1)
    with tf.device(CPU):
        parts = tf.split(stacked, widths, axis=1)
        apart = {
            name: tf.cast(tf.reshape(part, [-1, *scores[name].shape[1:]]), scores[name].dtype)
            for name, part in zip(together, parts)
        }
    for name, value in apart.items():
        value.set_shape(scores[name].shape)
    return {name: apart.get(name, value) for name, value in scores.items()}


def _goes_along(name: str, scores: Tensors) -> bool:
    value, probabilities = scores[name], scores.get(f"probs_{name.removeprefix('y_')}")
    if value.shape.rank is None or value.shape.rank == 0 or not value.shape[1:].is_fully_defined():
        return False
    if value.dtype == tf.float32:
        return True
    is_class = value.dtype.is_integer and name.startswith("y_")
    return probabilities is not None and is_class and probabilities.shape[-1] <= _MOST_EXACT
