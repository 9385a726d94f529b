"""The initial values of embedding tables, a block of rows at a time."""

import zlib
from collections.abc import Sequence

import tensorflow as tf

from easymtl.features.feature_set import Table
from easymtl.features.growing.initial_rows import InitialRows, num_places
from easymtl.peers.dealing import Dealing

_ROWS_PER_FILL = 1 << 18


def fill(variable: tf.Variable, tables: Sequence[Table], seed: int, dealing: Dealing | None = None) -> None:
    """Writes the initial values of all tables of a width: of each block a function of (seed, table name, block) alone.

    TensorFlow draws a block with all processors. Blocks come one after the other: written by several threads at once,
    one was seen with the place of another.

    Args:
        variable: `[rows, width]`, of all tables, or where rows are dealt out those of this worker.
        tables: how large each is, and its initializer.
        seed: of the model.
        dealing: of all tables of the width; a worker draws the blocks of which it has rows, and never a whole table.
    """
    for number, table in enumerate(tables):
        for start in range(0, table.rows, _ROWS_PER_FILL):
            count = min(_ROWS_PER_FILL, table.rows - start)
            if dealing is None:
                begin, runs = table.offset + start, [(start, count)]
            else:
                begin, runs = dealing.own_begin(number, start), list(dealing.runs(number, start, start + count))
            if runs:
                values = _initial_rows(table, count, _block_seed(table, seed, start))
                if runs != [(start, count)]:
                    values = tf.concat([values[first - start :][:length] for first, length in runs], axis=0)
                # Assigning to a slice of a variable would read the slice first.
                variable.scatter_update(tf.IndexedSlices(values, tf.range(begin, begin + values.shape[0])))


def initial_rows(table: Table, seed: int) -> InitialRows:
    """Returns what rows of a growing table begin with when another id has had them."""
    salt = zlib.crc32(table.name.encode())
    drawn = _initial_rows(table, num_places(table.rows), tf.constant([seed, ~salt], tf.int64))
    return InitialRows(drawn)


def _block_seed(table: Table, seed: int, start: int) -> tf.Tensor:
    salt = zlib.crc32(table.name.encode())
    return tf.random.experimental.stateless_fold_in(tf.constant([seed, salt], tf.int64), start)


def _initial_rows(table: Table, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns `[count, width]` initial rows; without an initializer a truncated normal of 0.01 / sqrt(width)."""
    shape = [count, table.width]
    kind = table.initializer.WhichOneof("initializer_oneof") if table.initializer else None
    if kind is None:
        return tf.random.stateless_truncated_normal(shape, seed, 0.0, 0.01 / table.width**0.5)
    message = getattr(table.initializer, kind)
    if kind == "truncated_normal_initializer":
        return tf.random.stateless_truncated_normal(shape, seed, message.mean, message.stddev)
    if kind == "random_normal_initializer":
        return tf.random.stateless_normal(shape, seed, message.mean, message.stddev)
    if kind == "glorot_normal_initializer":
        # Glorot and Bengio 2010: variance 2 / (rows + width); truncation takes away the factor 0.8796.
        stddev = (2.0 / (table.rows + table.width)) ** 0.5 / 0.87962566103423978
        return tf.random.stateless_truncated_normal(shape, seed, 0.0, stddev)
    if kind == "random_uniform_initializer":
        return tf.random.stateless_uniform(shape, seed, message.minval, message.maxval)
    if kind == "constant_initializer":
        return tf.broadcast_to(tf.constant(list(message.consts) or [0.0], tf.float32), shape)
    raise AssertionError(f"no such initializer: {kind}")
