"""Histories in both layouts, and the names of the weights of an encoder."""

import numpy as np
import tensorflow as tf

from easymtl.layers.shapes import Array, History, Shape, vector
from easymtl.layers.steps import Rectangle, Segments, Steps

LENGTHS = (2, 0, 3, 1)
LENGTHS_SHAPE = Array((None,), tf.int32)


def inputs(width: int, query: int | None = None) -> Shape:
    """Returns the shape of what an input_layer gives with output_seq_and_normal_feature."""
    return History(width), LENGTHS_SHAPE, None if query is None else vector(query)


def numbers(seed: int, *shape: int) -> np.ndarray:
    """Returns float64 numbers that float32 holds exactly."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(float)


def rows_of(lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    return np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)


def segments(flat: np.ndarray, lengths: tuple[int, ...] = LENGTHS) -> Segments:
    return Segments(tf.constant(flat, tf.float32), tf.constant(rows_of(lengths)), tf.constant(lengths, tf.int32))


def rectangle(flat: np.ndarray, lengths: tuple[int, ...] = LENGTHS, longest: int = 4) -> Rectangle:
    """Padding holds NaN, which must not reach anything."""
    values = np.full([len(lengths), longest, flat.shape[1]], np.nan, np.float32)
    for row, length in enumerate(lengths):
        values[row, :length] = flat[rows_of(lengths) == row]
    return Rectangle(tf.constant(values), tf.constant(lengths, tf.int32))


def padded(flat: np.ndarray, longest: int, lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    """Returns `[rows, longest, width]` with zeros behind each row, cut to the longest."""
    values = np.zeros([len(lengths), longest, flat.shape[1]])
    for row, length in enumerate(lengths):
        values[row, : min(length, longest)] = flat[rows_of(lengths) == row][:longest]
    return values


def exist(longest: int, lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    return np.arange(longest) < np.array(lengths)[:, np.newaxis]


def with_lengths(steps: Steps, *others: np.ndarray | None) -> tuple:
    """Returns (history, lengths, ..) as blocks hand it on."""
    return steps, steps.lengths, *(None if one is None else tf.constant(one, tf.float32) for one in others)


def encoder_names(name: str) -> set[str]:
    """Returns the names of the weights of one layer of the encoder."""
    parts = [f"attention/self/{part}" for part in ("query", "key", "value")]
    parts += ["attention/output/dense", "intermediate/dense", "output/dense"]
    norms = ["attention/output/LayerNorm", "output/LayerNorm"]
    names = {f"{name}/{part}/{weight}" for part in parts for weight in ("kernel", "bias")}
    return names | {f"{name}/{norm}/{weight}" for norm in norms for weight in ("gamma", "beta")}
