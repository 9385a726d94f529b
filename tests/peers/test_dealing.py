import numpy as np
import pytest
import tensorflow as tf

from easymtl.peers.dealing import LEAST_ROWS, MOST_BLOCKS, Dealing, block_rows

SIZES = (1, LEAST_ROWS, 1000, LEAST_ROWS - 1, 5 * LEAST_ROWS + 3, 40_000, 2)


def owners_by_hand(sizes, num_workers):
    """Returns the worker of each row, one row at a time."""
    return [(row // block_rows(size) + table) % num_workers for table, size in enumerate(sizes) for row in range(size)]


@pytest.mark.parametrize("num_workers", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [tf.int32, tf.int64])
def test_each_row_lies_where_its_worker_has_it(num_workers, dtype):
    owners = owners_by_hand(SIZES, num_workers)
    counts = [0] * num_workers
    places = []
    for owner in owners:
        places.append(counts[owner])
        counts[owner] += 1
    found = Dealing(SIZES, num_workers, 0).places(tf.range(sum(SIZES), dtype=dtype))
    assert found[1].dtype == dtype
    assert found[0].numpy().tolist() == owners and found[1].numpy().tolist() == places
    assert [Dealing(SIZES, num_workers, index).num_own_rows for index in range(num_workers)] == counts


@pytest.mark.parametrize("num_workers", [1, 2, 3, 5])
def test_runs_are_the_rows_of_a_worker_in_the_order_in_which_it_has_them(num_workers):
    owners = np.array(owners_by_hand(SIZES, num_workers))
    begins = np.cumsum([0, *SIZES])
    for index in range(num_workers):
        dealing = Dealing(SIZES, num_workers, index)
        for table, size in enumerate(SIZES):
            wanted = np.flatnonzero(owners[begins[table] : begins[table + 1]] == index)
            for begin, end in [(0, size), (size // 3, size - size // 5), (size - 1, size)]:
                runs = list(dealing.runs(table, begin, end))
                rows = np.concatenate([np.arange(first, first + count) for first, count in runs] or [[]])
                assert rows.tolist() == wanted[(wanted >= begin) & (wanted < end)].tolist()
                own = np.sum(owners[: begins[table] + begin] == index)
                assert dealing.own_begin(table, begin) == own
            assert runs == [] or all(count > 0 for _, count in runs)


def test_blocks_are_few_and_follow_from_the_size_alone():
    for size in (1, 63, 64, 65, 32_768, 32_769, 10**6, 3 * 10**9):
        block = block_rows(size)
        assert block >= LEAST_ROWS and block & (block - 1) == 0 and -(-size // block) <= MOST_BLOCKS
        assert block == LEAST_ROWS or -(-size // (block // 2)) > MOST_BLOCKS


def test_rows_at_the_beginning_of_a_table_lie_on_all_workers():
    owner, _ = Dealing((100_000,), 4, 0).places(tf.range(2_048))
    assert np.bincount(owner, minlength=4).tolist() == [512] * 4
