"""Digits of numbers against Python's own integers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Build, Call
from easymtl.layers.nary_embedding import NaryDis
from easymtl.protos.backbone_pb2 import NaryDisEmbedding

X = np.array([[0, 1], [-1, 9], [81, -82], [2**31 - 1, 1234567], [-(2.0**31), 5e9]], np.float32)


def digits(number: float, base: int) -> list[int]:
    """The digits of the 32 bits of a number, the lowest first."""
    rest = int(max(min(float(number), 2**31 - 1), -(2**31))) % 2**32
    found = [rest % base]
    while rest := rest // base:
        found.append(rest % base)
    return found


def num_digits(base: int) -> int:
    return len(digits(-1, base))


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("bases", [[2, 9], [10], [3, 16, 1000]])
def test_the_vectors_of_the_digits_are_added_up_for_each_base(bases, pooling):
    config = NaryDisEmbedding(embedding_dim=2, carries=bases, intra_ary_pooling=pooling)
    layer = NaryDis(build := Build(), "n", 2, config)
    sizes = [base * num_digits(base) for base in bases]
    table = np.random.default_rng(0).normal(size=[2 * sum(sizes), 2]).astype(np.float32)
    build.parameters["n/embed_table"].assign(table)
    expected = np.zeros([len(X), 2, len(bases), 2])
    for row, feature in np.ndindex(X.shape):
        for index, base in enumerate(bases):
            start = feature * sum(sizes) + sum(sizes[:index])
            found = [table[start + place * base + digit] for place, digit in enumerate(digits(X[row, feature], base))]
            expected[row, feature, index] = sum(found) / (len(found) if pooling == "mean" else 1)
    np.testing.assert_allclose(layer(tf.constant(X), Call()), expected, rtol=1e-4, atol=1e-4)


def test_without_carries_the_bases_are_2_and_9():
    layer = NaryDis(Build(), "n", 3, NaryDisEmbedding(embedding_dim=4, num_replicas=2))
    rows = 3 * (2 * 32 + 9 * (math.floor(math.log(2**32 - 1, 9)) + 1))
    assert tuple(layer.table.shape) == (rows, 8)


def test_numbers_are_multiplied_before_they_are_cut():
    layer = NaryDis(Build(), "n", 1, NaryDisEmbedding(embedding_dim=4, multiplier=10))
    whole = NaryDis(Build(), "n", 1, NaryDisEmbedding(embedding_dim=4))
    x = np.array([[0.7], [0.79], [-0.7], [-0.79]], np.float32)
    by_hand = np.array([[7], [7], [-7], [-7]], np.float32)
    np.testing.assert_array_equal(layer(tf.constant(x), Call()), whole(tf.constant(by_hand), Call()))


def test_what_is_no_number_counts_as_0_and_infinity_as_the_largest():
    layer = NaryDis(Build(), "n", 1, NaryDisEmbedding(embedding_dim=4))
    x = np.array([[np.nan], [np.inf], [-np.inf]], np.float32)
    by_hand = np.array([[0], [2**31 - 1], [-(2**31)]], np.float32)
    np.testing.assert_array_equal(layer(tf.constant(x), Call()), layer(tf.constant(by_hand), Call()))


def test_the_gradient_is_dense_and_reaches_the_rows_of_the_digits_alone():
    layer = NaryDis(Build(), "n", 1, NaryDisEmbedding(embedding_dim=1, carries=[10]))
    with tf.GradientTape() as tape:
        result = tf.reduce_sum(layer(tf.constant([[305.0], [5.0]]), Call()))
    gradient = tape.gradient(result, layer.table)
    assert isinstance(gradient, tf.Tensor)
    expected = np.zeros([100, 1])
    expected[5], expected[10], expected[23] = 2, 1, 1
    np.testing.assert_array_equal(gradient, expected)
