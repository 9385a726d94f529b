"""A hash map from 64-bit keys to small numbers, in NumPy, that finds and takes in many keys at a time."""

import numpy as np

MISSING = int(np.iinfo(np.int64).min)
"""The key of no value at all: no map has it."""

_EMPTY, _REMOVED = -1, -2
_FEWEST_PLACES = 1024
_MOST_FILLED = 0.6
_FILLED_AT_FIRST = 0.45


class KeyMap:
    """Open addressing with linear probing; the place of a key holds its number, the number leads to the key.

    Numbers are the caller's: of each it is remembered which key has it. What is found does not depend on the order in
    which keys were put in, or on those that were removed.

    Example:
        found = KeyMap(10)
        found.put(np.array([77, -5]), np.array([0, 1]))
        found.find(np.array([-5, 9]))  # [1, -1]
    """

    def __init__(self, most: int):
        """Makes an empty map; memory is taken as it fills.

        Args:
            most: numbers are less than this, or hardly more: less memory is taken at a time near it.
        """
        self.most = most
        self._places = np.full(_FEWEST_PLACES, _EMPTY, np.int32)
        self._num_taken = 0
        self._keys = np.zeros(min(_FEWEST_PLACES, most), np.int64)
        self._has_key = np.zeros(len(self._keys), bool)
        self._num_keys = 0

    def __len__(self) -> int:
        return self._num_keys

    def keys_of(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the keys that have numbers, int64 `[n]`."""
        return self._keys[numbers]

    def numbers(self) -> np.ndarray:
        """Returns the numbers that keys have, ascending."""
        return np.flatnonzero(self._has_key)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Returns the number of each of keys int64 `[n]`, int32; -1 for those that are not there."""
        places = _first_places(keys, len(self._places))
        found = self._places[places]
        is_hit = self._is_of(keys, found)
        left = np.flatnonzero(~is_hit & (found != _EMPTY))
        found[~is_hit] = _EMPTY
        while len(left):
            places[left] = (places[left] + 1) & (len(self._places) - 1)
            numbers = self._places[places[left]]
            is_hit = self._is_of(keys[left], numbers)
            found[left[is_hit]] = numbers[is_hit]
            left = left[~is_hit & (numbers != _EMPTY)]
        return found

    def put(self, keys: np.ndarray, numbers: np.ndarray) -> None:
        """Takes in keys int64 `[n]`, none of them there yet and none twice, with numbers `[n]` that no key has."""
        if not len(keys):
            return
        self._make_room(int(numbers.max()) + 1)
        if self._num_taken + len(keys) > _MOST_FILLED * len(self._places):
            self._rehash(self._num_keys + len(keys))
        self._keys[numbers] = keys
        self._has_key[numbers] = True
        self._num_keys += len(keys)
        self._insert(keys, numbers)

    def remove(self, numbers: np.ndarray) -> None:
        """Forgets the keys of numbers `[n]`, which have one each."""
        keys = self._keys[numbers]
        places = _first_places(keys, len(self._places))
        left = np.arange(len(keys))
        while len(left):
            is_here = self._places[places[left]] == numbers[left]
            self._places[places[left[is_here]]] = _REMOVED
            left = left[~is_here]
            places[left] = (places[left] + 1) & (len(self._places) - 1)
        self._has_key[numbers] = False
        self._num_keys -= len(keys)

    def _is_of(self, keys: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        # A number below 0 leads to the last key, which is looked at and does not count.
        return (self._keys[numbers] == keys) & (numbers >= 0)

    def _make_room(self, size: int) -> None:
        """Makes the arrays of keys long enough, twice as long at least."""
        if size > len(self._keys):
            longer = max(size, min(2 * len(self._keys), self.most))
            self._keys = np.concatenate([self._keys, np.zeros(longer - len(self._keys), np.int64)])
            self._has_key = np.concatenate([self._has_key, np.zeros(longer - len(self._has_key), bool)])

    def _rehash(self, num_keys: int) -> None:
        """Makes room for so many keys, and forgets what was removed."""
        num_places = len(self._places)
        while num_keys > _FILLED_AT_FIRST * num_places:
            num_places *= 2
        self._places = np.full(num_places, _EMPTY, np.int32)
        self._num_taken = 0
        numbers = self.numbers()
        self._insert(self._keys[numbers], numbers)

    def _insert(self, keys: np.ndarray, numbers: np.ndarray) -> None:
        self._num_taken += len(keys)
        numbers = numbers.astype(np.int32)
        places = _first_places(keys, len(self._places))
        left = np.arange(len(keys))
        while len(left):
            free = left[self._places[places[left]] == _EMPTY]
            # Of several that want a place the last one has it.
            self._places[places[free]] = numbers[free]
            left = left[self._places[places[left]] != numbers[left]]
            places[left] = (places[left] + 1) & (len(self._places) - 1)


def owners_of(keys: np.ndarray, num_owners: int) -> np.ndarray:
    """Returns which of so many owners a key belongs to, int64 `[n]`: a function of the key alone, evenly spread."""
    return (_mixed(keys) >> np.uint64(32)).astype(np.int64) % num_owners


def bytes_of_map(most: int) -> int:
    """Returns the bytes that a map of so many keys takes at most: while it grows, half of it is there twice."""
    num_places = _FEWEST_PLACES
    while most > _FILLED_AT_FIRST * num_places / 2:
        num_places *= 2
    return (4 * num_places + 9 * most) * 3 // 2


def _first_places(keys: np.ndarray, num_places: int) -> np.ndarray:
    """Returns where the search for each key begins, int64 `[n]`."""
    return (_mixed(keys) & np.uint64(num_places - 1)).astype(np.int64)


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Returns keys with every bit of theirs in every bit (the finalizer of MurmurHash3), uint64 `[n]`."""
    mixed = np.ascontiguousarray(keys, np.int64).view(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return mixed ^ (mixed >> np.uint64(33))
