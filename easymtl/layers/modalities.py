"""Features of several kinds that an encoder reads as tokens: images, general features, texts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Steps
from easymtl.protos.layer_pb2 import DNN as DNNConfig


@dataclass(frozen=True)
class Modalities:
    """Features of a batch by their kind, as `ModalityShapes` has them.

    Attributes:
        image: each `[batch, width]`.
        general: each `[batch, width]`.
        text: histories by the name of their feature.
        other: `[batch, width]`, or None.
    """

    image: Sequence[tf.Tensor] = ()
    general: Sequence[tf.Tensor] = ()
    text: Mapping[str, Steps] = field(default_factory=dict)
    other: tf.Tensor | None = None


class Projection(tf.Module):
    """Tokens brought to a width by a dense layer, and left as they are if they have it."""

    def __init__(self, build: Build, name: str, num_inputs: int, num_outputs: int):
        """Makes the weights `<name>/{kernel,bias}`, if any."""
        super().__init__()
        self.dense: Dense | None = None
        if num_inputs != num_outputs:
            self.dense = Dense(build, name, num_inputs, num_outputs, is_regularized=False)

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps `[batch, ..., num_inputs]` to `[batch, ..., num_outputs]`, in the precision of the call."""
        return tf.cast(x, call.dtype) if self.dense is None else self.dense(x, call)


class OtherFeatures(tf.Module):
    """The features that are no tokens, as they are or through a DNN `other_dnn`.

    Attributes:
        width: of the result; 0 if there are no such features.
    """

    def __init__(self, build: Build, width: int, config: DNNConfig | None):
        """Makes the layers of the config, if there is one."""
        super().__init__()
        self.dnn = DNN(build, "other_dnn", width, config) if config is not None else None
        self.width = self.dnn.width if self.dnn else width

    def __call__(self, x: tf.Tensor | None, call: Call) -> list[tf.Tensor]:
        """Returns a list of the features `[batch, width]`, or an empty one."""
        if x is None:
            return []
        return [x if self.dnn is None else self.dnn(x, call)]


def require_none(faults: Iterable[str]) -> None:
    """Checks that there are no faults.

    Raises:
        ShapeFault: with the first one.
    """
    for text in faults:
        raise ShapeFault(text)


def all_exist(batch: tf.Tensor, number: int) -> tf.Tensor:
    """Returns the mask of tokens that every row has, bool `[batch, number]`."""
    return tf.fill(tf.stack([batch, number]), True)


def joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns vectors `[batch, width]` side by side, float32."""
    parts = [tf.cast(part, tf.float32) for part in parts]
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]
