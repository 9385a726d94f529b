"""Rows of tables taken and summed by sparse products, with gradients that are dense where every row is used."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import HOST


@tf.custom_gradient
def take_rows(table: tf.Tensor, positions: tf.Tensor):
    """`tf.gather` whose gradient is dense: every row of `table` is used, so sparse form buys nothing."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        count = tf.size(positions)
        places = _places(tf.range(count), positions)
        return _product(places, tf.ones([count]), [count, tf.shape(table)[0]], upstream, adjoint_a=True), None

    return tf.gather(table, positions), gradient


@tf.custom_gradient
def sum_rows(table: tf.Tensor, weights: tf.Tensor, sums: tf.Tensor, positions: tf.Tensor, num_sums: tf.Tensor):
    """Returns `[num_sums, width]`: to each of `sums` goes the weighted row of `table` at its place in `positions`."""
    places, shape = _places(sums, positions), [num_sums, tf.shape(table)[0]]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        return _product(places, weights, shape, upstream, adjoint_a=True), None, None, None, None

    return _product(places, weights, shape, table), gradient


def _places(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.stack([rows, columns], axis=1), tf.int64)


def _product(
    places: tf.Tensor, values: tf.Tensor, shape: Sequence[tf.Tensor], dense: tf.Tensor, adjoint_a: bool = False
) -> tf.Tensor:
    """Returns a sparse matrix times a dense one: it takes half the time of a segment sum, and no weighted copy."""
    # A GPU's kernel wants it in the memory of the host, where sizes are; a cast would be made on the GPU.
    with tf.device(HOST):
        shape = tf.cast(tf.stack(shape), tf.int64)
    return tf.raw_ops.SparseTensorDenseMatMul(
        a_indices=places, a_values=values, a_shape=shape, b=dense, adjoint_a=adjoint_a
    )
