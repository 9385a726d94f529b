"""What a layer is that block graphs call by its name."""

from abc import abstractmethod

import tensorflow as tf
from google.protobuf.message import Message

from easymtl.layers.context import Build, Call
from easymtl.layers.shapes import Shape, Value


class NamedLayer(tf.Module):
    """A layer of a block graph.

    A subclass declares the shape of its result, makes its weights in `__init__` and runs in `__call__`; a row of
    `LAYERS` gives it its name.

    Its weights bear the names of EasyRec's checkpoints: `<name>/<its own path>`. Kernels that `l2_regularization` is to
    reach are put into `build.regularized`.
    """

    def __init__(self, build: Build, name: str, config: Message, inputs: Shape):
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
    def shape(config: Message, inputs: Shape) -> Shape:
        """Returns the shape of the result.

        Raises:
            ShapeFault: it cannot take such inputs, or its parameters do not fit them.
        """

    @abstractmethod
    def __call__(self, x: Value, call: Call) -> Value:
        """Maps a value of the shape of the inputs to one of the declared shape."""
