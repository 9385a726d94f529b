"""The formulas of layers in NumPy float64, with weights by name: what the tests hold layers against."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Weights = Mapping[str, np.ndarray]
Activation = Callable[[np.ndarray], np.ndarray]
MOMENTUM = 0.99


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def dense(weights: Weights, path: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{path}/kernel"] + weights.get(f"{path}/bias", 0.0)


def layer_norm(weights: Weights, path: str, x: np.ndarray, epsilon: float = 1e-3) -> np.ndarray:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    scale, offset = weights.get(f"{path}/gamma", 1.0), weights.get(f"{path}/beta", 0.0)
    return (x - mean) / np.sqrt(variance + epsilon) * scale + offset


def token_norm(weights: Weights, path: str, x: np.ndarray) -> np.ndarray:
    """The layer norm of BERT and of what is built on it."""
    return layer_norm(weights, path, x, epsilon=1e-12)


def batch_norm(weights: Weights, path: str, x: np.ndarray, is_training: bool, epsilon: float = 1e-3) -> np.ndarray:
    """Over all rows of x; in evaluation with the moving statistics, corrected for their start at zero."""
    mean, variance = x.mean(0), x.var(0)
    if not is_training:
        share = 1 - MOMENTUM ** weights[f"{path}/count"]
        mean, variance = weights[f"{path}/moving_mean"] / share, weights[f"{path}/moving_variance"] / share
    return (x - mean) / np.sqrt(variance + epsilon) * weights[f"{path}/gamma"] + weights[f"{path}/beta"]


def layers(weights: Weights, paths: Sequence[str], x: np.ndarray, activation: Activation = relu) -> np.ndarray:
    """Dense layers without norms, each followed by the activation."""
    for path in paths:
        x = activation(dense(weights, path, x))
    return x


def match(query: np.ndarray, history: np.ndarray) -> np.ndarray:
    """What DIN scores a step by: [q, h, q - h, q∘h], for a query that belongs to each step."""
    return np.concatenate([query, history, query - history, query * history], axis=-1)


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


def feed_forward(weights: Weights, path: str, x: np.ndarray, activation: Activation = gelu) -> np.ndarray:
    hidden = dense(weights, f"{path}/output/dense", activation(dense(weights, f"{path}/intermediate/dense", x)))
    return token_norm(weights, f"{path}/output/LayerNorm", hidden + x)


def encode(
    weights: Weights,
    name: str,
    x: np.ndarray,
    mask: np.ndarray,
    number: int,
    num_layers: int = 1,
    activation: Activation = gelu,
) -> np.ndarray:
    """The encoder of BERT: each layer adds what it attends to, norms, and adds and norms once more."""
    for index in range(num_layers):
        path = f"{name}_layer_{index}"
        attended = heads(weights, f"{path}/attention/self", x, x, mask, number)
        attended = dense(weights, f"{path}/attention/output/dense", attended)
        x = token_norm(weights, f"{path}/attention/output/LayerNorm", x + attended)
        x = feed_forward(weights, path, x, activation)
    return x


def mask_block(weights: Weights, path: str, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The block of MaskNet at a path, by the weights that it has."""
    if f"{path}input_ln/gamma" in weights:
        x = layer_norm(weights, f"{path}input_ln", x)
    if f"{path}project/kernel" in weights:
        mask = dense(weights, f"{path}project", mask)
    result = x * dense(weights, f"{path}weights", relu(dense(weights, f"{path}aggregation", mask)))
    if f"{path}output/kernel" in weights:
        result = relu(layer_norm(weights, f"{path}output_ln", dense(weights, f"{path}output", result)))
    return result


def gate(weights: Weights, path: str, number: int, x: np.ndarray) -> np.ndarray:
    """The gate of PPNet at a path; the number is that of its layer in the model."""
    layer = f"{path}/dense_{number}" if number else f"{path}/dense"
    return 2 * sigmoid(dense(weights, f"{path}/weight", relu(dense(weights, layer, x))))
