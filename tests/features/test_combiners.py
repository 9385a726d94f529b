"""What a combiner makes of a bag, from its formula."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.combiners import fold
from easymtl.features.pieces import Bags

IDS, ROWS = np.array([7, 8, 7, 9, 5, 6, 4]), np.array([0, 0, 0, 2, 3, 3, 4])
LENGTHS = [3, 0, 1, 2, 1]
# Row 3 has a weight of 0 beside one above it; row 4 has no weight above 0.
WEIGHTS = np.array([0.5, 2.0, 1.5, 4.0, 0.0, 3.0, -1.0], np.float32)


def folded(weights, combiner):
    tensor = None if weights is None else tf.constant(weights)
    return fold(Bags(tf.constant(IDS), tf.constant(LENGTHS, tf.int64), tensor, {"m": 1}), tf.constant(ROWS), combiner)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_sum_is_left_as_it_is(weights):
    bags = folded(weights, "sum")
    assert bags.ids.numpy().tolist() == IDS.tolist()
    assert bags.lengths.numpy().tolist() == LENGTHS
    assert (bags.weights is None) == (weights is None)


@pytest.mark.parametrize("combiner, norms", [("mean", [3, 1, 2, 1]), ("sqrtn", [3**0.5, 1, 2**0.5, 1])])
def test_entries_share_alike_without_weights(combiner, norms):
    bags = folded(None, combiner)
    assert bags.lengths.numpy().tolist() == LENGTHS
    assert bags.counts == {"m": 1}
    np.testing.assert_allclose(bags.weights, 1 / np.repeat(norms, [3, 1, 2, 1]), rtol=1e-6)


@pytest.mark.parametrize("combiner, norms", [("mean", [4, 4, 3]), ("sqrtn", [6.5**0.5, 4, 3])])
def test_entries_of_a_weight_above_0_are_kept_and_share_by_it(combiner, norms):
    bags = folded(WEIGHTS, combiner)
    assert bags.ids.numpy().tolist() == [7, 8, 7, 9, 6]
    assert bags.lengths.numpy().tolist() == [3, 0, 1, 1, 0]
    assert bags.counts == {"m": 1}
    np.testing.assert_allclose(bags.weights, WEIGHTS[WEIGHTS > 0] / np.repeat(norms, [3, 1, 1]), rtol=1e-6)
