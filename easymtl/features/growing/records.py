"""Some numbers for each of many 64-bit keys, in NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from easymtl.features.growing.key_map import KeyMap, bytes_of_map


class Records:
    """Records of keys, each of which has one number in every column.

    A record is told by its place, which it keeps until it is removed; then another one may have the place. What is
    found does not depend on places, which are those of the order in which keys were added and removed.

    Example:
        ages = Records(10, {"age": np.int32})
        ages.add(np.array([77, -5]), age=np.array([3, 4]))
        ages["age"][ages.find(np.array([-5]))]  # [4]
    """

    def __init__(self, most: int, columns: Mapping[str, type]):
        """Makes room for none; memory is taken as records are added.

        Args:
            most: how many there will be, about: columns do not get longer than this before there are more.
            columns: the type of the numbers of each, by its name.
        """
        self._most = most
        self._map = KeyMap(most)
        self._columns: dict[str, np.ndarray] = {name: np.zeros(1, dtype) for name, dtype in columns.items()}
        self._spare = np.zeros(0, np.int64)
        self._next = 0

    def __len__(self) -> int:
        return len(self._map)

    def __getitem__(self, column: str) -> np.ndarray:
        """Returns a column, in the order of the places; a change of it is one of the records."""
        return self._columns[column]

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Returns the places of keys `[n]`, int32; -1, at which a column can be read, for those that are not there."""
        return self._map.find(keys)

    def places(self) -> np.ndarray:
        """Returns the places of all records, ascending."""
        return self._map.numbers()

    def keys_at(self, places: np.ndarray) -> np.ndarray:
        """Returns the keys of records, int64 `[n]`."""
        return self._map.keys_of(places)

    def add(self, keys: np.ndarray, **values: Any) -> None:
        """Adds records of keys int64 `[n]`, none of them there yet and none twice.

        Args:
            keys: of the records.
            values: the numbers of every column, `[n]` or one for all.
        """
        if not len(keys):
            return
        spare, self._spare = self._spare[: len(keys)], self._spare[len(keys) :]
        first, self._next = self._next, self._next + len(keys) - len(spare)
        places = np.concatenate([spare, np.arange(first, self._next)])
        self._map.put(keys, places)
        for name, column in self._columns.items():
            column = self._columns[name] = _long_enough(column, self._next, self._most)
            column[places] = values[name]

    def remove(self, places: np.ndarray) -> None:
        """Removes the records at some places."""
        self._map.remove(places)
        self._spare = np.concatenate([self._spare, places.astype(np.int64)])


def bytes_of_records(most: int, bytes_of_columns: int) -> int:
    """Returns the bytes that so many records take at most, given those of the numbers of one."""
    return bytes_of_map(most) + bytes_of_columns * most * 3 // 2


def _long_enough(array: np.ndarray, size: int, most: int) -> np.ndarray:
    """Returns an array of at least `size` entries, 0 behind its own; it grows to twice its length, up to `most`."""
    if size <= len(array):
        return array
    return np.concatenate([array, np.zeros(max(size, min(2 * len(array), most)) - len(array), array.dtype)])
