"""A dense layer whose results stay within a limit."""

from typing import Any

import tensorflow as tf

from easymtl.extend import Build, Call, Dense, NamedLayer, Shape, require_vector, vector


class SoftClip(NamedLayer):
    """limit * tanh((x W + b) / limit)."""

    def __init__(self, build: Build, name: str, config: Any, inputs: Shape):
        super().__init__(build, name, config, inputs)
        self.limit = config.limit
        self.dense = Dense(build, f"{name}/dense", require_vector(inputs), config.units)

    @staticmethod
    def shape(config: Any, inputs: Shape) -> Shape:
        """Returns `[batch, units]`."""
        require_vector(inputs)
        return vector(config.units)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, width]` to `[batch, units]`."""
        return self.limit * tf.tanh(self.dense(x, call) / self.limit)
