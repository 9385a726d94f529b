"""Vectors for the digits of a number in several bases."""

import itertools

import numpy as np
import tensorflow as tf

from easymtl.config.number_embeddings import nary_bases
from easymtl.layers.context import Build, Call
from easymtl.protos.backbone_pb2 import NaryDisEmbedding

_LARGEST = 2**32 - 1


class NaryDis(tf.Module):
    """A vector for each base: that of its digits, added up (Chen et al. 2022, NaryDis, section 3).

    A number is multiplied, cut to an integer of 32 bits, and written in each base without leading zeros; a negative
    one as the two's complement that its bits stand for. Each feature has a row for each digit at each position of each
    base: row `feature * rows + base's offset + position * base + digit` of `<name>/embed_table`. There are
    `num_replicas` vectors side by side in each row.
    """

    def __init__(self, build: Build, name: str, num_features: int, config: NaryDisEmbedding):
        super().__init__()
        self.bases = nary_bases(config)
        self.multiplier, self.is_mean = config.multiplier, config.intra_ary_pooling == "mean"
        self.width, self.num_features = config.embedding_dim * config.num_replicas, num_features
        self.positions = [_num_digits(base) for base in self.bases]
        sizes = [base * number for base, number in zip(self.bases, self.positions, strict=True)]
        self.offsets, self.num_rows = [0, *itertools.accumulate(sizes)][:-1], sum(sizes)
        self.table = build.weight(f"{name}/embed_table", [num_features * self.num_rows, self.width])

    def __call__(self, x: tf.Tensor, call: Call) -> tf.Tensor:
        """Maps numbers `[batch, features]` to `[batch, features, bases, num_replicas * embedding_dim]`."""
        integers = self._integers(x)[:, :, tf.newaxis]
        vectors = [self._of_base(integers, index) for index in range(len(self.bases))]
        return tf.stack(vectors, axis=2)

    def _integers(self, x: tf.Tensor) -> tf.Tensor:
        """Returns int64 from 0 to 2³² - 1: the bits of the numbers as 32-bit integers; too large ones are cut."""
        # In float32, in which 0.7 times 10 is 7; as float64 it would be 6.99999988, and cut to 6.
        product = tf.cast(tf.cast(x, tf.float32) * self.multiplier, tf.float64)
        # Not a number stays none through every comparison, and has no digits: it counts as 0.
        product = tf.where(tf.math.is_nan(product), tf.zeros_like(product), product)
        whole = tf.cast(tf.clip_by_value(product, -(2.0**31), 2.0**31 - 1), tf.int64)
        return tf.where(whole < 0, whole + 2**32, whole)

    def _of_base(self, integers: tf.Tensor, index: int) -> tf.Tensor:
        base, num_positions = self.bases[index], self.positions[index]
        powers = np.array([base**position for position in range(num_positions)], np.int64)
        quotients = integers // powers  # [batch, features, positions]
        digits = quotients - integers // (powers * base) * base
        is_there = (quotients > 0) | (np.arange(num_positions) == 0)
        firsts = self.num_rows * np.arange(self.num_features)[:, np.newaxis] + base * np.arange(num_positions)
        # The reshape makes the gradient of the table a dense one.
        table = tf.reshape(self.table, [self.num_features * self.num_rows, self.width])
        rows = tf.gather(table, digits + firsts + self.offsets[index])
        shares = tf.cast(is_there, tf.float32)
        if self.is_mean:
            shares /= tf.reduce_sum(shares, axis=-1, keepdims=True)
        return tf.reduce_sum(rows * shares[:, :, :, tf.newaxis], axis=2)


def _num_digits(base: int) -> int:
    """Returns how many digits the largest number has in a base."""
    number, rest = 0, _LARGEST
    while rest:
        number, rest = number + 1, rest // base
    return number
