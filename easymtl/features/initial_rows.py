"""The initial values of embedding tables: some blocks of rows at a time, drawn and written by several threads."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import tensorflow as tf

from easymtl.data.workers import num_threads
from easymtl.features.feature_set import Table
from easymtl.features.growing.initial_rows import InitialRows, num_places
from easymtl.peers.dealing import Dealing

_ROWS_PER_FILL = 1 << 18
_BYTES_PER_NUMBER = 3 * 4
"""While it is drawn, scaled and moved, in float32."""
_MOST_BYTES = 1 << 29
"""Of the blocks that are drawn at once."""


def fill(variable: tf.Variable, tables: Sequence[Table], seed: int, dealing: Dealing | None = None) -> None:
    """Writes the initial values of all tables of a width: of each block a function of (seed, table name, block) alone.

    To draw a block keeps all processors busy, to write it only one: so others are drawn meanwhile.

    Args:
        variable: `[rows, width]`, of all tables, or where rows are dealt out those of this worker.
        tables: how large each is, and its initializer.
        seed: of the model.
        dealing: of all tables of the width; a worker draws the blocks of which it has rows, and never a whole table.
    """
    if dealing is None:
        blocks = (block for table in tables for block in _blocks(variable, table, seed))
    else:
        numbered = enumerate(tables)
        blocks = (block for number, table in numbered for block in _own_blocks(variable, table, seed, dealing, number))
    numbers_of_block = max(min(_ROWS_PER_FILL, variable.shape[0]) * variable.shape[1], 1)
    at_once = _MOST_BYTES // (_BYTES_PER_NUMBER * numbers_of_block)
    with ThreadPoolExecutor(max(min(num_threads(), at_once), 1), "easymtl-fill") as threads:
        for done in [threads.submit(block) for block in blocks]:
            done.result()


def _blocks(variable: tf.Variable, table: Table, seed: int) -> Iterator[Callable[[], None]]:
    """Yields what fills each block of a table."""
    for start in range(0, table.rows, _ROWS_PER_FILL):
        count = min(_ROWS_PER_FILL, table.rows - start)
        draw = partial(_initial_rows, table, count, _block_seed(table, seed, start))
        yield partial(_write, variable, table.offset + start, draw)


def _own_blocks(
    variable: tf.Variable, table: Table, seed: int, dealing: Dealing, number: int
) -> Iterator[Callable[[], None]]:
    """Yields what fills the rows that this worker has of each block of a table."""
    for start in range(0, table.rows, _ROWS_PER_FILL):
        count = min(_ROWS_PER_FILL, table.rows - start)
        runs = list(dealing.runs(number, start, start + count))
        if runs:
            draw = partial(_own_rows, table, count, _block_seed(table, seed, start), start, runs)
            yield partial(_write, variable, dealing.own_begin(number, start), draw)


def _own_rows(table: Table, count: int, seed: tf.Tensor, start: int, runs: Sequence[tuple[int, int]]) -> tf.Tensor:
    values = _initial_rows(table, count, seed)
    return tf.concat([values[first - start : first - start + length] for first, length in runs], axis=0)


def _write(variable: tf.Variable, begin: int, draw: Callable[[], tf.Tensor]) -> None:
    values = draw()
    num_rows, width = values.shape
    # Assigning to a slice of a variable would read the slice first.
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.handle, begin=[begin, 0], end=[begin + num_rows, width], strides=[1, 1], value=values
    )


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
