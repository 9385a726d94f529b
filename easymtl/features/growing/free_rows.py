"""Rows of a growing table that ids had and lost."""

from typing import NamedTuple

import numpy as np

BYTES_OF_FREE_ROW = 4 + 4 + 8


class Freed(NamedTuple):
    """Rows that no id has any more.

    Attributes:
        rows: int32 `[n]`.
        generations: uint32 `[n]`, how many ids have had each of them.
        places: int64 `[n]`, ascending: where they stand among all that are free, the one that is given away next at 0.
    """

    rows: np.ndarray
    generations: np.ndarray
    places: np.ndarray

    def take(self, chosen: np.ndarray | slice) -> "Freed":
        """Returns some of them."""
        return Freed(*(part[chosen] for part in self))


NONE = Freed(np.zeros(0, np.int32), np.zeros(0, np.uint32), np.zeros(0, np.int64))


def joined(parts: list[Freed]) -> Freed:
    """Returns the rows of several as those of one."""
    rows, generations, places = (np.concatenate(part) for part in zip(*parts))
    return Freed(rows, generations, places).take(np.argsort(places))


class FreeRows:
    """Free rows in the order in which they are given away again: the one first that was free for longest.

    They are dealt out to owners, by their numbers. All owners are told the same, and know how many there are.
    """

    def __init__(self, index: int, num_owners: int, freed: Freed = NONE):
        """Takes over what is free.

        Args:
            index: which owner this is.
            num_owners: how many there are.
            freed: the rows of all owners.
        """
        self._index, self._num_owners = index, num_owners
        self._begin, self._end = 0, len(freed.rows)
        # The places of what is kept are counted from the first row that was ever free.
        self._own = self._of_owner(freed)

    def __len__(self) -> int:
        """Returns how many are free, those of other owners among them."""
        return self._end - self._begin

    def first(self, number: int) -> Freed:
        """Returns those of this owner that are among the first ones of all."""
        if not number:
            return NONE
        end = int(np.searchsorted(self._own.places, self._begin + number))
        return self._placed(self._own.take(slice(0, end)), -self._begin)

    def own(self) -> Freed:
        """Returns those of this owner, as copies."""
        return self.first(len(self))

    def drop(self, number: int) -> None:
        """Forgets the first ones of all: ids have them."""
        if not number:
            return
        self._begin += number
        self._own = self._own.take(slice(int(np.searchsorted(self._own.places, self._begin)), None))

    def add(self, rows: np.ndarray, generations: np.ndarray) -> None:
        """Puts rows of all owners behind the others, in their order."""
        new = Freed(rows, generations, np.arange(self._end, self._end + len(rows)))
        self._end += len(rows)
        self._own = Freed(*map(np.concatenate, zip(self._own, self._of_owner(new))))

    def _of_owner(self, freed: Freed) -> Freed:
        return freed if self._num_owners == 1 else freed.take(freed.rows % self._num_owners == self._index)

    @staticmethod
    def _placed(freed: Freed, by: int) -> Freed:
        return Freed(freed.rows.copy(), freed.generations.copy(), freed.places + by)
