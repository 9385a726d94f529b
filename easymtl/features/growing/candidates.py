"""Ids that were seen too rarely to have a row, with how often."""

import numpy as np

from easymtl.features.growing.records import Records, bytes_of_records

BY_ROW = 2
"""How many of them are counted at most, for each row of the table."""

_BYTES = 4 + 4


class Candidates:
    """Counts of ids, exact as long as there are not too many of them.

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
        self._records = Records(most, {"counts": np.uint32, "last_seen": np.int32})

    def __len__(self) -> int:
        return len(self._records)

    def counts(self, keys: np.ndarray) -> np.ndarray:
        """Returns how often each of keys `[n]` was seen, int64."""
        if not len(self):
            return np.zeros(len(keys), np.int64)
        places = self._records.find(keys)
        return np.where(places < 0, 0, self._records["counts"][places]).astype(np.int64)

    def add(self, keys: np.ndarray, counts: np.ndarray, clock: int) -> None:
        """Counts sightings.

        Args:
            keys: int64 `[n]`, none of them twice.
            counts: `[n]`, how often each was seen.
            clock: when.
        """
        places = self._records.find(keys)
        is_new = places < 0
        known = places[~is_new]
        self._records["counts"][known] += counts[~is_new].astype(np.uint32)
        self._records["last_seen"][known] = clock
        self._put(keys[is_new], counts[is_new], clock)

    def remove(self, keys: np.ndarray) -> None:
        """Counts some ids no more; keys `[n]` that are not there are none of them."""
        places = self._records.find(keys)
        self._records.remove(places[places >= 0])

    def expire(self, before: int) -> None:
        """Forgets what was last seen before a time."""
        places = self._records.places()
        self._records.remove(places[self._records["last_seen"][places] < before])

    def age(self, ticks: int) -> None:
        """Moves the times at which ids were seen."""
        last_seen = self._records["last_seen"]
        last_seen += np.int32(ticks)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns all that there is, as copies, in the order of the keys."""
        places = self._records.places()
        places = places[np.argsort(self._records.keys_at(places))]
        return {
            "candidate_keys": self._records.keys_at(places),
            "candidate_counts": self._records["counts"][places],
            "candidate_last_seen": self._records["last_seen"][places],
        }

    def restore(self, keys: np.ndarray, counts: np.ndarray, last_seen: np.ndarray) -> None:
        """Takes over what `arrays` returned, into what is empty; of too many those that were seen last."""
        chosen = np.lexsort((keys, last_seen))[-self._most :]
        self._records.add(keys[chosen], counts=counts[chosen], last_seen=last_seen[chosen])

    def _put(self, keys: np.ndarray, counts: np.ndarray, clock: int) -> None:
        if len(keys) > self._most - len(self):
            self._forget()
            room = self._most - len(self)
            self.num_forgotten += max(len(keys) - room, 0)
            keys, counts = keys[:room], counts[:room]
        self._records.add(keys, counts=counts, last_seen=clock)

    def _forget(self) -> None:
        """Forgets half of the ids: those that were not seen for longest, of equal ones the lesser keys."""
        places = self._records.places()
        order = np.lexsort((self._records.keys_at(places), self._records["last_seen"][places]))
        old = places[order[: (len(order) + 1) // 2]]
        self._records.remove(old)
        self.num_forgotten += len(old)


def bytes_of_candidates(most: int) -> int:
    """Returns the bytes that so many ids take at most."""
    return bytes_of_records(most, _BYTES)
