"""Ids that were seen too rarely to have a row, with how often."""

import numpy as np

from easymtl.features.growing.key_map import KeyMap, bytes_of_map

BY_ROW = 2
"""How many of them are counted at most, for each row of the table."""

_BYTES = 4 + 4


class Candidates:
    """Counts of ids, exact as long as there are not too many of them.

    What comes of them does not depend on how they are numbered.

    Attributes:
        num_forgotten: ids that were forgotten for want of room.
    """

    def __init__(self, most: int):
        """Counts nothing yet.

        Args:
            most: how many ids there may be.
        """
        self.num_forgotten = 0
        self._most = most
        self._map = KeyMap(most)
        self._counts = np.zeros(1, np.uint32)
        self._last_seen = np.zeros(1, np.int32)
        self._spare = np.zeros(0, np.int64)
        self._next = 0

    def __len__(self) -> int:
        return len(self._map)

    def counts(self, keys: np.ndarray) -> np.ndarray:
        """Returns how often each of keys `[n]` was seen, int64."""
        numbers = self._map.find(keys)
        return np.where(numbers < 0, 0, self._counts[numbers]).astype(np.int64)

    def add(self, keys: np.ndarray, counts: np.ndarray, clock: int) -> None:
        """Counts sightings.

        Args:
            keys: int64 `[n]`, none of them twice.
            counts: `[n]`, how often each was seen.
            clock: when.
        """
        numbers = self._map.find(keys)
        is_new = numbers < 0
        known = numbers[~is_new]
        self._counts[known] += counts[~is_new].astype(np.uint32)
        self._last_seen[known] = clock
        self._put(keys[is_new], counts[is_new], clock)

    def remove(self, keys: np.ndarray) -> None:
        """Counts some ids no more; keys `[n]` that are not there are none of them."""
        numbers = self._map.find(keys)
        self._remove(numbers[numbers >= 0])

    def expire(self, before: int) -> None:
        """Forgets what was last seen before a time."""
        numbers = self._map.numbers()
        self._remove(numbers[self._last_seen[numbers] < before])

    def age(self, ticks: int) -> None:
        """Moves the times at which ids were seen."""
        self._last_seen += np.int32(ticks)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns all that there is, as copies, in the order of the keys."""
        numbers = self._map.numbers()
        numbers = numbers[np.argsort(self._map.keys_of(numbers))]
        keys, counts = self._map.keys_of(numbers), self._counts[numbers]
        return {"candidate_keys": keys, "candidate_counts": counts, "candidate_last_seen": self._last_seen[numbers]}

    def restore(self, keys: np.ndarray, counts: np.ndarray, last_seen: np.ndarray) -> None:
        """Takes over what `arrays` returned, into what is empty; of too many the first."""
        keys = keys[: self._most]
        self._put(keys, counts[: self._most], 0)
        self._last_seen[self._map.find(keys)] = last_seen[: self._most]

    def _put(self, keys: np.ndarray, counts: np.ndarray, clock: int) -> None:
        if len(keys) > self._most - len(self._map):
            self._forget()
            room = self._most - len(self._map)
            self.num_forgotten += max(len(keys) - room, 0)
            keys, counts = keys[:room], counts[:room]
        if not len(keys):
            return
        numbers = self._new_numbers(len(keys))
        self._map.put(keys, numbers)
        self._counts = long_enough(self._counts, self._next, self._most)
        self._last_seen = long_enough(self._last_seen, self._next, self._most)
        self._counts[numbers], self._last_seen[numbers] = counts, clock

    def _new_numbers(self, count: int) -> np.ndarray:
        spare, self._spare = self._spare[:count], self._spare[count:]
        first, self._next = self._next, self._next + count - len(spare)
        return np.concatenate([spare, np.arange(first, self._next)])

    def _remove(self, numbers: np.ndarray) -> None:
        self._map.remove(numbers)
        self._spare = np.concatenate([self._spare, numbers.astype(np.int64)])

    def _forget(self) -> None:
        """Forgets half of the ids: those that were not seen for longest, of equal ones the lesser keys."""
        numbers = self._map.numbers()
        order = np.lexsort((self._map.keys_of(numbers), self._last_seen[numbers]))
        old = numbers[order[: (len(order) + 1) // 2]]
        self._remove(old)
        self.num_forgotten += len(old)


def bytes_of_candidates(most: int) -> int:
    """Returns the bytes that so many ids take at most."""
    return bytes_of_map(most) + _BYTES * most * 3 // 2


def long_enough(array: np.ndarray, size: int, most: int) -> np.ndarray:
    """Returns an array of at least `size` entries, 0 behind its own; it grows to twice its length, up to `most`."""
    if size <= len(array):
        return array
    return np.concatenate([array, np.zeros(min(max(size, 2 * len(array)), most) - len(array), array.dtype)])
