"""Initial values of tables: each block of rows by itself, whichever worker has it."""

import zlib

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features import initial_rows
from easymtl.features.initial_rows import fill
from easymtl.features.kinds import Table
from easymtl.peers.dealing import Dealing

WIDTH = 3
ROWS = {"item": 200, "user": 9, "x": 1}
OFFSETS = {"item": 0, "user": 200, "x": 209}
TABLES = [Table(name, rows, WIDTH, None, OFFSETS[name], "") for name, rows in ROWS.items()]
NUM_ROWS = 210


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(initial_rows, "_ROWS_PER_FILL", 8)


def filled(num_rows, dealing=None):
    variable = tf.Variable(tf.fill([num_rows, WIDTH], np.nan))
    fill(variable, TABLES, 7, dealing)
    return variable.numpy()


def drawn(table, start):
    """The truncated normal of a block of a table, from TensorFlow's own generator."""
    salt = zlib.crc32(table.name.encode())
    seed = tf.random.experimental.stateless_fold_in(tf.constant([7, salt], tf.int64), start)
    shape = [min(8, table.rows - start), WIDTH]
    return tf.random.stateless_truncated_normal(shape, seed, 0.0, 0.01 / WIDTH**0.5).numpy()


def test_a_block_is_a_function_of_seed_table_and_place():
    blocks = [drawn(table, start) for table in TABLES for start in range(0, table.rows, 8)]
    np.testing.assert_array_equal(filled(NUM_ROWS), np.concatenate(blocks))


@pytest.mark.parametrize("num_workers", [2, 3, 9])
def test_a_worker_has_the_rows_that_one_process_has(num_workers):
    whole = filled(NUM_ROWS)
    found = np.full_like(whole, np.nan)
    for index in range(num_workers):
        dealing = Dealing(tuple(table.rows for table in TABLES), num_workers, index)
        own = filled(dealing.num_own_rows, dealing)
        for number, table in enumerate(TABLES):
            begin = dealing.own_begin(number)
            for first, count in dealing.runs(number):
                found[table.offset + first : table.offset + first + count] = own[begin : begin + count]
                begin += count
    np.testing.assert_array_equal(found, whole)
