"""Layers that read images, general features, texts and others, made with weights that hide no term of a formula."""

from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf

from easymtl.config.modalities import ModalityShapes
from easymtl.layers.cmbf import CMBF
from easymtl.layers.context import Build
from easymtl.layers.modalities import Modalities
from easymtl.layers.uniter import Uniter
from easymtl.protos.model_pb2 import CMBFTower, UniterTower
from tests.layers.histories import LENGTHS, numbers, rectangle, segments
from tests.layers.named.building import evaluation, training

ROWS, LONGEST = len(LENGTHS), max(LENGTHS)
IMAGES = [numbers(1, ROWS, 8), numbers(2, ROWS, 8)]
GENERAL = [numbers(3, ROWS, 5), numbers(4, ROWS, 5)]
TEXTS = {"title": numbers(5, sum(LENGTHS), 4), "genre": numbers(6, sum(LENGTHS), 4)}
OTHER = numbers(7, ROWS, 2)


@dataclass(frozen=True)
class Parts:
    """What a layer reads: vectors `[rows, width]`, and texts as the values of all steps."""

    images: list[np.ndarray] = field(default_factory=list)
    general: list[np.ndarray] = field(default_factory=list)
    texts: dict[str, np.ndarray] = field(default_factory=dict)
    other: np.ndarray | None = None

    def shapes(self) -> ModalityShapes:
        return ModalityShapes(
            [one.shape[1] for one in self.images],
            [one.shape[1] for one in self.general],
            {name: one.shape[1] for name, one in self.texts.items()},
            0 if self.other is None else self.other.shape[1],
        )

    def tensors(self, layout=segments) -> Modalities:
        images, general = ([tf.constant(one, tf.float32) for one in group] for group in (self.images, self.general))
        texts = {name: layout(flat) for name, flat in self.texts.items()}
        return Modalities(images, general, texts, None if self.other is None else tf.constant(self.other, tf.float32))


ALL = Parts(IMAGES, GENERAL, TEXTS, OTHER)


@dataclass
class Made:
    """A layer, what it reads, what it was made with, and float64 copies of its weights by name."""

    layer: CMBF | Uniter
    parts: Parts
    build: Build
    weights: dict[str, np.ndarray]

    def __call__(self, layout=segments, call=evaluation) -> np.ndarray:
        return self.layer(self.parts.tensors(layout), call()).numpy()

    def reads(self, parts: Parts) -> "Made":
        return replace(self, parts=parts)


def make(kind: type[CMBF] | type[Uniter], config: CMBFTower | UniterTower, parts: Parts) -> Made:
    build, random = Build(seed=3), np.random.default_rng(8)
    layer = kind(build, config, parts.shapes())
    for parameter in build.parameters.values():
        parameter.assign(random.uniform(-0.9, 0.9, parameter.shape).astype(np.float32))
    weights = {name: one.read().numpy().astype(float) for name, one in build.parameters.items()}
    return Made(layer, parts, build, weights)


def everything(number: int) -> np.ndarray:
    """Returns the mask of tokens that all exist."""
    return np.ones([ROWS, number], bool)


def require_learning(made: Made) -> None:
    """Checks that every weight learns but biases of keys, which softmax takes away."""
    with tf.GradientTape() as tape:
        result = made.layer(made.parts.tensors(rectangle), training())
        loss = tf.reduce_sum(result * numbers(9, *result.shape))
    variables = {name: one.variable for name, one in made.build.parameters.items()}
    for name, gradient in tape.gradient(loss, variables).items():
        assert gradient is not None and np.isfinite(tf.convert_to_tensor(gradient)).all(), name
        assert name.endswith("key/bias") or np.any(tf.convert_to_tensor(gradient)), name
