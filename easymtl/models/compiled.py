"""A network that XLA compiles."""

from collections.abc import Mapping
from dataclasses import replace

import tensorflow as tf

from easymtl.layers.context import Call, Pending
from easymtl.models.network import Network


def compiled(network: Network, vectors: Mapping[str, tf.Tensor], call: Call) -> dict[str, tf.Tensor]:
    """Returns the logits of a network, see `Network`, by a function that XLA compiles, forward and backward.

    It compiles for each number of rows that comes. What layers hand to the `Call` are outputs of the function, and are
    handed on from here.
    """
    moved: list[tf.Variable] = []

    @tf.function(autograph=False, jit_compile=True)
    def run(inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None) -> tuple:
        own = replace(call, seed=seed, pending=Pending(), losses={}, norms=[])
        logits = network(inputs, own)
        assert own.pending is not None
        moved.extend(own.pending.variables)
        return logits, own.pending.values, own.losses, own.norms

    logits, values, losses, norms = run(dict(vectors), call.seed)
    for variable, value in zip(moved, values):
        call.move(variable, value)
    for name, value in losses.items():
        call.add_loss(name, value)
    for value in norms:
        call.add_norm(value)
    return logits
