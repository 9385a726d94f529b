import numpy as np
import pytest

from easymtl.data.order import Cursor, Share, ascending, permutation


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_a_permutation_has_each_number_once(size):
    assert sorted(permutation(size, 1, 2)) == list(range(size))


def test_it_depends_on_its_key_alone():
    np.testing.assert_array_equal(permutation(100, 7, 1), permutation(100, 7, 1))
    orders = {tuple(permutation(100, *key)) for key in [(7, 1), (7, 2), (8, 1), (1, 7), (7,), (-7, 1)]}
    assert len(orders) == 6


def test_it_stays_the_same_in_later_versions():
    assert permutation(10, 42, 3).tolist() == [3, 4, 5, 0, 1, 6, 2, 7, 8, 9]


@pytest.mark.parametrize("most", [7, 1 << 60])
def test_equal_bits_stay_as_they_stand(most):
    bits = np.random.default_rng(3).integers(0, most, 3000).astype(np.uint64)
    assert ascending(bits).tolist() == sorted(range(3000), key=lambda place: bits[place])


def test_every_place_is_equally_likely():
    counts = np.zeros((6, 6))
    for seed in range(3000):
        counts[np.arange(6), permutation(6, seed)] += 1
    assert np.abs(counts / 3000 - 1 / 6).max() < 0.03


def test_cursor_round_trip_and_order():
    cursor = Cursor(1, 2, 3, 4)
    assert Cursor.from_dict(cursor.to_dict()) == cursor
    assert Cursor() < Cursor(0, 0, 0, 1) < Cursor(0, 1) < Cursor(1)


@pytest.mark.parametrize("step", [1, 2, 1 << 40, -3])
def test_keys_are_dealt_out_evenly_and_each_to_one(step):
    keys = np.arange(6000, dtype=np.int64) // 2 * step
    shares = [Share(index, 3).of_keys(keys) for index in range(3)]
    assert sorted(np.concatenate(shares)) == list(range(6000))
    assert all(len(share) in range(1900, 2100) for share in shares)
    assert sum(len(np.unique(keys[share])) for share in shares) == 3000
