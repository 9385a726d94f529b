"""Where a ReLU is so near to its kink that two right programs, which round otherwise, take different slopes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from easymtl.layers import activation
from easymtl.layers.context import Call, Pending
from easymtl.tasks.ranker import Ranker

KINK = 5e-8
"""What a ReLU is given is known to about this much, where networks are as small as those of the cases."""


def smallest_before_relu(ranker: Ranker, batch: Mapping[str, np.ndarray], number: int) -> float:
    """Returns the smallest magnitude that any ReLU of a ranker is given in a step on a batch; exact zeros are left out.

    A zero is that of padding or of a unit whose inputs are all 0: it is one in both programs.
    """
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    call = Call(training=True, seed=tf.constant([0, number], tf.int64), pending=Pending())
    with _watched(ranker) as smallest:
        ranker.logits(tensors, ranker.embeddings.lookup(tensors), call)
    return min(smallest, default=np.inf)


@contextmanager
def _watched(ranker: Ranker) -> Iterator[list[float]]:
    """Makes every ReLU of a ranker tell the smallest magnitude that it is given."""
    found: list[float] = []

    def relu(x: tf.Tensor) -> tf.Tensor:
        sizes = np.abs(tf.cast(x, tf.float32).numpy())
        sizes = sizes[sizes > 0]
        if sizes.size:
            found.append(float(sizes.min()))
        return tf.nn.relu(x)

    layers = [one for one in ranker.network.submodules if isinstance(one, activation.Activation)]
    of_relu = [layer for layer in layers if layer.function is tf.nn.relu]
    for layer in of_relu:
        layer.function = relu
    try:
        yield found
    finally:
        for layer in of_relu:
            layer.function = tf.nn.relu
