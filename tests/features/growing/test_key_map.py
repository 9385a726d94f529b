"""The map of keys against a dict."""

import numpy as np
import pytest

from easymtl.features.growing.key_map import KeyMap, bytes_of_map, owners_of


@pytest.mark.parametrize("spread", [3000, 2**62])
def test_map_finds_what_a_dict_finds(spread):
    random, found, expected = np.random.default_rng(7), KeyMap(40_000), {}
    for _ in range(25):
        keys = np.unique(random.integers(-spread, spread, random.integers(0, 900)))
        new = np.array([key for key in random.permutation(keys).tolist() if key not in expected], np.int64)
        free = np.setdiff1d(np.arange(40_000), list(expected.values()))
        numbers = random.permutation(free[: 2 * len(new)])[: len(new)]
        found.put(new, numbers)
        expected |= dict(zip(new.tolist(), numbers.tolist()))
        gone = random.permutation(list(expected))[: random.integers(0, len(expected) // 3 + 1)].tolist()
        found.remove(np.array([expected.pop(key) for key in gone], np.int64))
        asked = np.concatenate([random.integers(-spread, spread, 500), np.array([*expected, *gone], np.int64)])
        assert found.find(asked).tolist() == [expected.get(key, -1) for key in asked.tolist()]
        assert len(found) == len(expected)
        assert sorted(found.keys_of(found.numbers()).tolist()) == sorted(expected)


def test_map_is_not_slow_where_keys_come_and_go():
    found = KeyMap(1000)
    for begin in range(0, 200_000, 500):
        found.put(np.arange(begin, begin + 500), np.arange(500))
        found.remove(np.arange(500))
    # What was removed has not filled the places, in which a search would go on without end.
    assert len(found._places) <= 4096 and found.find(np.arange(3)).tolist() == [-1] * 3


def test_extreme_keys_are_keys_like_others():
    extremes = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0, -1])
    found = KeyMap(4)
    assert found.find(extremes).tolist() == [-1] * 4
    found.put(extremes, np.arange(4))
    assert found.find(extremes).tolist() == [0, 1, 2, 3]


def test_the_memory_of_a_full_map_is_as_told():
    most = 50_000
    found = KeyMap(most)
    for begin in range(0, most, 1000):
        found.put(np.arange(begin, begin + 1000) * 7919, np.arange(begin, begin + 1000))
    taken = sum(part.nbytes for part in vars(found).values() if isinstance(part, np.ndarray))
    assert taken <= bytes_of_map(most) <= 4 * taken


def test_owners_are_even_and_a_function_of_the_key():
    keys = np.arange(40_000) * 4
    owners = owners_of(keys, 3)
    assert np.bincount(owners).min() > 13_000
    assert (owners_of(keys[::-1].copy(), 3)[::-1] == owners).all()
