"""Which ids of a batch get rows, and which rows these are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from easymtl.features.growing.free_rows import NONE, Freed


class Due(NamedTuple):
    """What an owner has found of those ids of a batch that have no rows.

    Attributes:
        order: int64 `[n]`, where each id stands that was seen often enough, among all ids of the batch.
        counts: int64 `[n]`, how often each of them was seen in the batch.
        sums: int64 `[2]`, which add up over owners: values that were asked for, without missing ones, and those of ids
            that were not seen often enough.
    """

    order: np.ndarray
    counts: np.ndarray
    sums: np.ndarray


class Admission:
    """The ids of a batch that belong to an owner, and what becomes of them if the batch is kept.

    Attributes:
        keys: int64 `[n]`, each once.
        counts: int64 `[n]`, how often each comes.
        places: int32 `[n]`, of their records, -1 for those that have none.
        admitted: which of them get rows.
        rows: of these, int32.
        generations: of these, uint32: how many ids had the row before.
        reused: the rows that ids had before, of all owners.
        num_admitted: ids that get rows from all owners.
        num_values: values that were asked for, of all owners.
        num_unknown: how many of them take the default row.
    """

    def __init__(self, keys: np.ndarray, counts: np.ndarray, order: np.ndarray, places: np.ndarray):
        self.keys, self.counts, self.places = keys, counts, places
        self.admitted = np.zeros(0, np.int64)
        self.rows, self.generations = np.zeros(0, np.int32), np.zeros(0, np.uint32)
        self.reused = NONE
        self.num_admitted = self.num_values = self.num_unknown = 0
        self._order, self._ranks = order, np.zeros(0, np.int64)
        self._due = np.zeros(0, np.int64)

    def due(self, counted: np.ndarray, admit_after: int, num_values: int) -> Due:
        """Returns which ids are to have rows.

        Args:
            counted: int64 `[strangers]`, how often those without a record were seen before.
            admit_after: how often they have to be.
            num_values: how many values this owner adds to those of the batch, whoever has the ids.
        """
        strangers = np.flatnonzero(self.places < 0)
        counts = self.counts[strangers]
        is_due = counts + counted >= admit_after
        self._due = strangers[is_due]
        return Due(self._order[self._due], counts[is_due], np.array([num_values, counts[~is_due].sum()], np.int64))

    def admit(self, of_owners: Sequence[Due], room: int) -> None:
        """Admits those ids of all owners that come first, as many as there are rows for."""
        order, counts, sums = (np.concatenate(part) for part in zip(*of_owners))
        first = np.sort(order)[:room]
        last = first[-1] if len(first) else -1
        self.num_admitted = len(first)
        self.admitted = self._due[self._order[self._due] <= last]
        self._ranks = np.searchsorted(first, self._order[self.admitted])
        self.num_values, num_left = sums.reshape(-1, 2).sum(axis=0).tolist()
        self.num_unknown = num_left + int(counts[order > last].sum())

    def give(self, reused: Freed, next_row: int) -> None:
        """Gives rows to those that are admitted: free ones of all owners, in their order, then new ones."""
        fresh = np.arange(next_row, next_row + self.num_admitted - len(reused.rows), dtype=np.int32)
        generations = np.concatenate([reused.generations, np.zeros(len(fresh), np.uint32)])
        self.rows = np.concatenate([reused.rows, fresh])[self._ranks]
        self.generations, self.reused = generations[self._ranks], reused

    def left(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the ids that have no rows, int64 `[m]`, and how often each comes."""
        is_left = self.places < 0
        is_left[self.admitted] = False
        return self.keys[is_left], self.counts[is_left]
