"""Features of several kinds that an encoder reads as tokens: images, general features, texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN, Dense
from easymtl.layers.shapes import ShapeFault
from easymtl.layers.steps import Steps
from easymtl.protos.layer_pb2 import DNN as DNNConfig


@dataclass(frozen=True)
class ModalityShapes:
    """The widths of features by their kind; kinds may be missing.

    Attributes:
        image: of vectors that stand for images.
        general: of other vectors that are tokens.
        text: of the steps of histories, by the name of their feature.
        other: of a vector that is no token; 0 if there is none.
    """

    image: Sequence[int] = ()
    general: Sequence[int] = ()
    text: Mapping[str, int] = field(default_factory=dict)
    other: int = 0

    def check(self) -> None:
        """Checks that there are features, and that those of one kind are equally wide.

        Raises:
            ShapeFault: it is not so; the text goes on from the name of the network.
        """
        if not (self.image or self.general or self.text or self.other):
            raise ShapeFault("reads the feature groups image, general, text and other, but there is none of them")
        widths = {"image": list(self.image), "general": list(self.general), "text": list(self.text.values())}
        for group, found in widths.items():
            if len(set(found)) > 1:
                text = f"needs features of one width in group {group}, but is given {', '.join(map(str, found))}"
                raise ShapeFault(f"{text}; {_REMEDY[group]}")


_REMEDY = {
    "image": "give them one raw_input_dim",
    "general": "give them one embedding_dim",
    "text": "give them one embedding_dim",
}


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
        if config is not None and not width:
            raise ShapeFault("has other_feature_dnn, but there is no feature group other; leave it out")
        self.dnn = DNN(build, "other_dnn", width, config) if config is not None else None
        self.width = self.dnn.width if self.dnn else width

    def __call__(self, x: tf.Tensor | None, call: Call) -> list[tf.Tensor]:
        """Returns a list of the features `[batch, width]`, or an empty one."""
        if x is None:
            return []
        return [x if self.dnn is None else self.dnn(x, call)]


def all_exist(batch: tf.Tensor, number: int) -> tf.Tensor:
    """Returns the mask of tokens that every row has, bool `[batch, number]`."""
    return tf.fill(tf.stack([batch, number]), True)


def joined(parts: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns vectors `[batch, width]` side by side, float32."""
    parts = [tf.cast(part, tf.float32) for part in parts]
    return tf.concat(parts, axis=1) if len(parts) > 1 else parts[0]
