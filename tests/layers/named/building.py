"""Layers of block graphs made from text, with weights that hide no term of a formula."""

from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.named import LAYERS, NamedLayer
from easymtl.layers.norm import CONVERGED
from easymtl.layers.shapes import Array, History, Shape, Value, vector

NAME = "backbone/b"
ROWS = 6


def training(step: int = 1, dtype: tf.DType = tf.float32) -> Call:
    return Call(training=True, dtype=dtype, seed=tf.constant([0, step], tf.int64), losses={})


def evaluation(dtype: tf.DType = tf.float32) -> Call:
    return Call(dtype=dtype)


def vectors(*widths: int) -> list[Array]:
    return [vector(width) for width in widths]


@dataclass
class Made:
    """A layer, what it was made with, and float64 copies of its weights by name without the prefix."""

    layer: NamedLayer
    build: Build
    shape: Shape
    weights: dict[str, np.ndarray]

    def __call__(self, x: object, call: Call | None = None) -> Value:
        return self.layer(as_tensors(x), call or evaluation())


def make(class_name: str, text: str, inputs: Shape) -> Made:
    row = LAYERS[class_name]
    config = text_format.Parse(text, row.message())
    shape = row.layer.shape(config, inputs)
    build, random = Build(seed=5), np.random.default_rng(7)
    layer = row.layer(build, NAME, config, inputs)
    for parameter in build.parameters.values():
        signs = 1 if parameter.name.endswith("moving_variance") else random.choice([-1, 1], parameter.shape)
        value = random.uniform(0.3, 0.9, parameter.shape) * signs
        is_count = parameter.name.endswith("count")
        parameter.assign(np.float32(np.full(parameter.shape, CONVERGED) if is_count else value))
    weights = {
        parameter.name.removeprefix(f"{NAME}/"): parameter.read().numpy().astype(float)
        for parameter in build.parameters.values()
    }
    return Made(layer, build, shape, weights)


def values(shape: Shape, seed: int = 0, rows: int = ROWS) -> object:
    """Returns arrays of a shape, float64 that float32 holds exactly; histories have no values here."""
    random = np.random.default_rng(seed)
    if isinstance(shape, list | tuple):
        return type(shape)(values(one, seed + 1 + place, rows) for place, one in enumerate(shape))
    assert isinstance(shape, Array) and not isinstance(shape, History)
    return random.normal(size=[size or rows for size in shape.sizes]).astype(np.float32).astype(float)


def as_tensors(x: object) -> Value:
    if isinstance(x, list | tuple):
        return type(x)(as_tensors(one) for one in x)
    return tf.constant(x, tf.float32) if isinstance(x, np.ndarray) else x


def refusal(class_name: str, text: str, inputs: Shape) -> str:
    """Returns what a layer says of parameters or inputs that it cannot take."""
    from easymtl.layers.shapes import ShapeFault

    row = LAYERS[class_name]
    try:
        row.layer.shape(text_format.Parse(text, row.message()), inputs)
    except ShapeFault as fault:
        return str(fault)
    return "nothing"


def low_precision(call: Call) -> Call:
    return replace(call, dtype=tf.bfloat16)
