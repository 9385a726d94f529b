"""What a layer is that block graphs call by its name."""

from abc import abstractmethod
from typing import Any

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.shapes import Shape, Value
from easymtl.layers.steps import Steps
from easymtl.layers.vectors import on_vectors, vector_width


class NamedLayer(tf.Module):
    """A layer of a block graph.

    A subclass declares the shape of its result, makes its weights in `__init__` and runs in `__call__`; a row of
    `LAYERS` gives it its name.

    Its weights bear the names of EasyRec's checkpoints: `<name>/<its own path>`. Kernels that `l2_regularization` is to
    reach are put into `build.regularized`.

    Subclasses say which message their `config` is, and which kind of `Value` they are called with: the `Any` of the
    signatures leaves that to them.

    Attributes:
        losses_between_rows: names of its losses that compare rows with each other: each worker has those of its own.
    """

    losses_between_rows: tuple[str, ...] = ()

    def __init__(self, build: Build, name: str, config: Any, inputs: Shape):
        """Makes the weights.

        Args:
            build: seed and norms of the layers.
            name: the scope of its weights, such as `backbone/deep`.
            config: its parameters.
            inputs: the shape of what it will be called with; `shape` has accepted it.
        """
        super().__init__()

    @staticmethod
    @abstractmethod
    def shape(config: Any, inputs: Shape) -> Shape:
        """Returns the shape of the result.

        Raises:
            ShapeFault: it cannot take such inputs, or its parameters do not fit them.
        """

    @abstractmethod
    def __call__(self, x: Any, call: Call) -> Value:
        """Maps a value of the shape of the inputs to one of the declared shape."""


class OverVectors(NamedLayer):
    """A layer that maps the vectors along the last axis of a tensor, or the steps of a history, to as wide ones."""

    @staticmethod
    def shape(config: Any, inputs: Shape) -> Shape:
        """Returns the shape of the input."""
        vector_width(inputs)
        return inputs

    @abstractmethod
    def map(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., width]`."""

    def __call__(self, x: tf.Tensor | Steps, call: Call) -> tf.Tensor | Steps:
        """Maps a tensor `[batch, ..., width]`, or each step of a history."""
        return on_vectors(x, lambda vectors: self.map(vectors, call), call)


def scope_of_block(build: Build, name: str, weight: str) -> str:
    """Returns the scope of layers whose weights EasyRec names without the prefix: `backbone/deep` -> `deep`.

    Args:
        build: holds the weights that there are.
        name: of the layer, with its prefix.
        weight: the first one of the layer; where another package has a block of this name, the prefix stays.
    """
    block = name.rpartition("/")[2]
    return name if f"{block}/{weight}" in build.parameters else block
