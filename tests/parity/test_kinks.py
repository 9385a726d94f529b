"""A case that passes through the kink of a ReLU is compared up to it, and no case is excused without one."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.layers.activation import Activation
from easymtl.layers.context import Call
from tests.parity.comparison import Comparison
from tests.parity.kinks import KINK, smallest_before_relu


class OneReLU(tf.Module):
    """A ranker of one layer."""

    def __init__(self):
        super().__init__()
        self.relu = Activation(tf.nn.relu)
        self.network = self.embeddings = self

    def lookup(self, batch):
        return batch

    def logits(self, batch, lookups, call):
        return self.relu(batch["x"], call)

    @property
    def submodules(self):
        return [self.relu]


def test_the_smallest_value_that_a_relu_is_given_is_found():
    ranker = OneReLU()
    assert smallest_before_relu(ranker, {"x": np.array([3.0, -1e-9, 0.0], np.float32)}, 0) < KINK
    assert smallest_before_relu(ranker, {"x": np.array([3.0, -1e-3], np.float32)}, 0) == np.float32(1e-3)
    np.testing.assert_array_equal(ranker.logits({"x": tf.constant([-1.0])}, {}, Call()), [0.0])
    assert ranker.relu.function is tf.nn.relu


def test_what_is_apart_behind_a_kink_is_told_and_before_it_a_failure():
    comparison = Comparison(Path("nowhere"), "case")
    comparison.kink = 3
    comparison.compare("weights", "weights_step5:w", 1.0, 2.0)
    assert (comparison.result().status, comparison.result().text) == ("passed", "kink at step 3: compared up to it")
    without = Comparison(Path("nowhere"), "case")
    without.compare("weights", "weights_step5:w", 1.0, 2.0)
    assert without.result().status == "failed"
