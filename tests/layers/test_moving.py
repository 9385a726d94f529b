"""Statistics of many norms, moved together: what each norm would do alone, to the last bit."""

import numpy as np
import tensorflow as tf

from easymtl.layers.context import Build, Call, Pending
from easymtl.layers.norm import BatchNorm

SHAPES = ((7, 3, 0.99), (1, 5, 0.99), (4, 16, 0.99), (4, 8, 0.9))
"""Rows, columns and momentum of the norms."""


def made() -> tuple[list[BatchNorm], list[tf.Tensor], list[tf.Tensor]]:
    """Returns norms whose statistics have moved before, with what they see and the biases before them."""
    random = np.random.default_rng(3)
    norms, inputs, biases = [], [], []
    for index, (rows, width, momentum) in enumerate(SHAPES):
        norm = BatchNorm(Build(), [f"bn_{index}"], width, momentum=momentum)
        for variable in (norm.mean, norm.variance):
            variable.assign(random.uniform(0.1, 2.0, width).astype(np.float32))
        norm.count.assign([3.0 + index])
        norms.append(norm)
        # Norms of a network see different precisions, by their widths.
        inputs.append(tf.constant(random.normal(size=(rows, width)), tf.bfloat16 if width == 16 else tf.float32))
        biases.append(tf.constant(random.normal(size=width), tf.float32))
    return norms, inputs, biases


def statistics(norms: list[BatchNorm]) -> list[bytes]:
    return [variable.numpy().tobytes() for norm in norms for variable in (norm.count, norm.mean, norm.variance)]


def run(is_apart: bool) -> list[bytes]:
    """Returns the statistics behind a pass; the norms of the first have no bias in front of them."""
    norms, inputs, biases = made()
    pending = None if is_apart else Pending()
    for index, (norm, x, bias) in enumerate(zip(norms, inputs, biases)):
        norm(x, Call(training=True, pending=pending), bias if index else None)
    if pending is not None:
        assert statistics(norms) == statistics(made()[0]), "they wait for the step"
        pending.apply()
    return statistics(norms)


def test_statistics_that_are_moved_together_are_those_of_each_norm_alone():
    assert run(is_apart=False) == run(is_apart=True)


def test_the_vectors_of_a_pass_hold_all_its_new_values():
    norms, inputs, _ = made()
    pending = Pending()
    for norm, x in zip(norms, inputs):
        norm(x, Call(training=True, pending=pending))
    together = np.concatenate([vector.numpy() for vector in pending.vectors])
    # Two vectors, counts and statistics, for each of the two momenta.
    assert len(pending.vectors) == 4
    apart = np.concatenate([value.numpy() for value in pending.values])
    np.testing.assert_array_equal(np.sort(together), np.sort(apart))


def test_an_update_that_is_not_made_moves_none_of_them():
    norms, inputs, biases = made()
    pending = Pending()
    for norm, x, bias in zip(norms, inputs, biases):
        norm(x, Call(training=True, pending=pending), bias)
    before = statistics(norms)
    pending.apply(tf.constant(False))
    assert statistics(norms) == before
