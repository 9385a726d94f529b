"""Tensors that cross between the GPU and the host as one."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping

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
    if all(scores[name].shape.rank == 1 for name in together):
        return dict(scores) | _stacked({name: scores[name] for name in together})
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


def _stacked(scores: Tensors) -> dict[str, tf.Tensor]:
    """Returns scores `[batch]` by way of one `[scores, batch]`."""
    stacked = tf.stack([tf.cast(value, tf.float32) for value in scores.values()])
    with tf.device(CPU):
        apart = tf.unstack(stacked, num=len(scores))
        return {name: tf.cast(one, value.dtype) for (name, value), one in zip(scores.items(), apart)}


def _goes_along(name: str, scores: Tensors) -> bool:
    value, probabilities = scores[name], scores.get(f"probs_{name.removeprefix('y_')}")
    if value.shape.rank is None or value.shape.rank == 0 or not value.shape[1:].is_fully_defined():
        return False
    if value.dtype == tf.float32:
        return True
    is_class = value.dtype.is_integer and name.startswith("y_")
    return probabilities is not None and is_class and probabilities.shape[-1] <= _MOST_EXACT


def looked_up_on_cpu(look_up: Callable[[], Tensors]) -> dict[str, tf.Tensor]:
    """Returns the vectors of a batch, looked up on the CPU; those of one width are one tensor on their way to a GPU.

    Args:
        look_up: returns the vectors by name; those that go together are float32 `[batch, features or steps, width]`.
    """
    with tf.device(CPU):
        vectors = dict(look_up())
    by_width: dict[int, list[str]] = defaultdict(list)
    for name, value in vectors.items():
        if value.dtype == tf.float32 and value.shape.rank == 3 and value.shape[2] is not None:
            by_width[value.shape[2]].append(name)
    for names in by_width.values():
        if len(names) > 1:
            vectors |= _split_there(names, [vectors[name] for name in names])
    return vectors


def _split_there(names: list[str], values: list[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns tensors `[batch, any, width]` joined on the CPU and taken apart where they are used."""
    with tf.device(CPU):
        joined = tf.concat(values, axis=1)
        static = [value.shape[1] for value in values]
        sizes = static if None not in static else tf.stack([tf.shape(value)[1] for value in values])
    parts = tf.split(joined, sizes, axis=1, num=len(values))
    for part, value in zip(parts, values):
        part.set_shape(value.shape)
    return dict(zip(names, parts))
