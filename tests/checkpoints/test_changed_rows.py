"""Which rows of a table have changed, as workers see it of whom each has a part of them."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.checkpoints.changed_rows import ChangedRows, ChangedRun, counts_of, runs_of
from easymtl.layers.context import Parameter
from easymtl.peers.dealing import Dealing


def tables_of(size, num_rows):
    """Returns what each worker has of a table, the second one of three."""
    for index in range(size):
        dealing = Dealing((100, num_rows, 50), size, index)
        runs = tuple(dealing.runs(1))
        own = sum(count for _, count in runs)
        yield Parameter("table", tf.Variable(tf.zeros([own, 1])), 0, own, (num_rows, 1), runs if size > 1 else None)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("num_rows", [1, 64, 65, 1000])
def test_parts_of_workers_are_all_changed_rows_in_their_order(size, num_rows):
    changed = np.flatnonzero(np.random.default_rng(size).random(num_rows) < 0.3)
    tables = list(tables_of(size, num_rows))
    places = []
    for table in tables:
        numbers = np.concatenate([np.arange(b, b + n) for b, n in runs_of(table)] or [[]])
        places.append(np.flatnonzero(np.isin(numbers, changed)))
    counts = [counts_of(table, own) for table, own in zip(tables, places)]
    whole = np.full(len(changed), -1)
    for index, (table, own) in enumerate(zip(tables, places)):
        found = ChangedRows.of(table, own, counts, index)
        assert found.num_all == len(changed) and found.places is own
        assert sum(run.num_rows for run in found.runs) == len(own)
        for run in found.runs:
            assert (whole[run.begin : run.begin + run.num_rows] == -1).all()
            whole[run.begin : run.begin + run.num_rows] = found.numbers[run.place : run.place + run.num_rows]
    np.testing.assert_array_equal(whole, changed)


def test_where_nothing_has_changed_the_first_worker_says_so():
    none = np.zeros(0, np.int64)
    for index, table in enumerate(tables_of(2, 1000)):
        found = ChangedRows.of(table, none, [[], []], index)
        assert found.num_all == 0 and found.runs == ((ChangedRun(0, 0, 0),) if index == 0 else ())
