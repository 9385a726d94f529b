import numpy as np
import pyarrow as pa
import pytest

from easymtl.data.rows import Ragged, Rows


def make_rows(num_rows, seed=0, weights=True):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 4, (num_rows, 2)).astype(np.int32)
    total = int(lengths.sum())
    return Rows(
        {
            "ids": rng.integers(0, 100, (num_rows, 3)).astype(np.int32),
            "bags": Ragged(
                rng.integers(0, 100, total),
                lengths,
                rng.random(total).astype(np.float32) if weights else None,
            ),
            "keep_city": pa.array([f"c{number % 3}" for number in range(num_rows)]).dictionary_encode(),
        }
    )


def as_lists(rows):
    """Returns each row as plain Python values, read off one by one."""
    bags = rows["bags"]
    pairs = list(
        zip(bags.values.tolist(), (bags.weights if bags.weights is not None else bags.values * 0 + 1).tolist())
    )
    result, place = [], 0
    for row in range(rows.num_rows):
        row_bags = []
        for length in bags.lengths[row]:
            row_bags.append(pairs[place : place + length])
            place += length
        result.append((rows["ids"][row].tolist(), row_bags, rows["keep_city"][row].as_py()))
    assert place == len(pairs)
    return result


@pytest.mark.parametrize("weights", [True, False])
def test_take_returns_the_rows_in_the_given_order(weights):
    rows = make_rows(20, weights=weights)
    indices = np.array([3, 3, 19, 0, 7])
    expected = as_lists(rows)
    assert as_lists(rows.take(indices)) == [expected[index] for index in indices]


def test_take_nothing():
    assert make_rows(5).take(np.array([], np.int64)).num_rows == 0


@pytest.mark.parametrize("start, length", [(0, 20), (5, 7), (19, 1), (4, 0)])
def test_slice_is_a_run_of_rows(start, length):
    rows = make_rows(20)
    assert as_lists(rows.slice(start, length)) == as_lists(rows)[start : start + length]


def test_slice_of_slice_and_take_of_slice():
    rows = make_rows(20)
    part = rows.slice(5, 10).slice(2, 6)
    assert as_lists(part) == as_lists(rows)[7:13]
    assert as_lists(part.take(np.array([5, 0]))) == [as_lists(rows)[12], as_lists(rows)[7]]


def test_concat_puts_rows_one_after_the_other():
    first, second = make_rows(4, seed=1), make_rows(6, seed=2)
    assert as_lists(Rows.concat([first, second])) == as_lists(first) + as_lists(second)


def test_concat_of_bags_with_and_without_weights_gives_weight_one():
    first, second = make_rows(4, seed=1), make_rows(6, seed=2, weights=False)
    assert as_lists(Rows.concat([first, second])) == as_lists(first) + as_lists(second)


def test_nbytes_counts_all_arrays():
    rows = Rows({"x": np.zeros((4, 2), np.float32), "b": Ragged(np.zeros(6, np.int32), np.ones((4, 1), np.int32))})
    assert rows.nbytes == 4 * 2 * 4 + 6 * 4 + 4 * 4
