"""Histories in both layouts, and the encoder of BERT in float64."""

import math

import numpy as np
import tensorflow as tf

from easymtl.layers.shapes import Array, History, Shape, vector
from easymtl.layers.steps import Rectangle, Segments, Steps

LENGTHS = (2, 0, 3, 1)
LENGTHS_SHAPE = Array((None,), tf.int32)
Weights = dict[str, np.ndarray]


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


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def dense(weights: Weights, path: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{path}/kernel"] + weights.get(f"{path}/bias", 0.0)


def layer_norm(weights: Weights, path: str, x: np.ndarray, epsilon: float = 1e-12) -> np.ndarray:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * weights[f"{path}/gamma"] + weights[f"{path}/beta"]


def heads(weights: Weights, path: str, own: np.ndarray, other: np.ndarray, mask: np.ndarray, number: int) -> np.ndarray:
    """Attention head by head, row by row; the mask `[rows, other tokens]` says what may be attended to."""
    query, key, value = (
        dense(weights, f"{path}/{part}", x) for part, x in zip(("query", "key", "value"), (own, other, other))
    )
    size = query.shape[-1] // number
    result = np.zeros_like(query)
    for row in range(len(own)):
        for start in range(0, number * size, size):
            part = slice(start, start + size)
            scores = query[row][:, part] @ key[row][:, part].T / math.sqrt(size) - 10000.0 * ~mask[row]
            result[row][:, part] = softmax(scores) @ value[row][:, part]
    return result


def feed_forward(weights: Weights, path: str, x: np.ndarray, activation=gelu) -> np.ndarray:
    hidden = dense(weights, f"{path}/output/dense", activation(dense(weights, f"{path}/intermediate/dense", x)))
    return layer_norm(weights, f"{path}/output/LayerNorm", hidden + x)


def encode(
    weights: Weights, name: str, x: np.ndarray, mask: np.ndarray, number: int, num_layers: int = 1, activation=gelu
) -> np.ndarray:
    """The encoder: each layer adds what it attends to, norms, and adds and norms once more."""
    for index in range(num_layers):
        path = f"{name}_layer_{index}"
        attended = heads(weights, f"{path}/attention/self", x, x, mask, number)
        attended = dense(weights, f"{path}/attention/output/dense", attended)
        x = layer_norm(weights, f"{path}/attention/output/LayerNorm", x + attended)
        x = feed_forward(weights, path, x, activation)
    return x


def encoder_names(name: str) -> set[str]:
    """Returns the names of the weights of one layer of the encoder."""
    parts = [f"attention/self/{part}" for part in ("query", "key", "value")]
    parts += ["attention/output/dense", "intermediate/dense", "output/dense"]
    norms = ["attention/output/LayerNorm", "output/LayerNorm"]
    names = {f"{name}/{part}/{weight}" for part in parts for weight in ("kernel", "bias")}
    return names | {f"{name}/{norm}/{weight}" for norm in norms for weight in ("gamma", "beta")}
