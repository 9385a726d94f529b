"""What a checkpoint has of the ids of a growing table: one file of all, or one of each worker that had some of them.

In a file of all ids, `keys`, `last_seen` and `generations` have an entry for each row that was ever taken, `keys`
MISSING for one that is free now, and `free` has these in the order in which they are given away again. In one of
several files they have an entry for each id, whose row is in `rows`; the free rows are told with `free_generations`,
and with where they stand among those of all files, `free_places`; and `next` is the first row that was never taken.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from easymtl.features.growing.free_rows import Freed, joined
from easymtl.features.growing.key_map import MISSING

Arrays = Mapping[str, np.ndarray]
IsOwn = Callable[[np.ndarray], np.ndarray | slice]
"""Tells which of keys int64 `[n]` belong to an owner."""

_CANDIDATES = ("candidate_keys", "candidate_counts", "candidate_last_seen")


class Held(NamedTuple):
    """Ids that have rows.

    Attributes:
        keys: int64 `[n]`.
        rows: int32 `[n]`.
        last_seen: int32 `[n]`, by the clock.
        generations: uint32 `[n]`, how many ids had the row before.
    """

    keys: np.ndarray
    rows: np.ndarray
    last_seen: np.ndarray
    generations: np.ndarray

    def take(self, chosen: np.ndarray | slice) -> "Held":
        """Returns some of them."""
        return Held(self.keys[chosen], self.rows[chosen], self.last_seen[chosen], self.generations[chosen])


class SavedIds(NamedTuple):
    """The ids of a growing table, or some of them, with all that is known of them.

    Attributes:
        held: those that have rows.
        candidates: `candidate_keys`, `candidate_counts` and `candidate_last_seen` of others.
        freed: the free rows.
        next_row: the first row that was never taken.
        clock: as of when.
        counts_days: whether it counts days; None where that is not known.
    """

    held: Held
    candidates: Arrays
    freed: Freed
    next_row: int
    clock: int
    counts_days: bool | None

    def arrays(self, are_all: bool) -> dict[str, np.ndarray]:
        """Returns what is saved, by its name.

        Args:
            are_all: whether these are all ids.
        """
        held, freed = self.held, self.freed
        beside = {**self.candidates, "clock": np.array(self.clock, np.int64), "counts_days": np.array(self.counts_days)}
        if not are_all:
            free = {"free": freed.rows, "free_generations": freed.generations, "free_places": freed.places}
            return {**held._asdict(), **free, "next": np.array(self.next_row, np.int64), **beside}
        keys = np.full(self.next_row, MISSING, np.int64)
        last_seen, generations = np.zeros(self.next_row, np.int32), np.zeros(self.next_row, np.uint32)
        keys[held.rows], last_seen[held.rows], generations[held.rows] = held.keys, held.last_seen, held.generations
        generations[freed.rows] = freed.generations
        return {"keys": keys, "last_seen": last_seen, "generations": generations, "free": freed.rows, **beside}


def num_rows_in(arrays: Arrays) -> int:
    """Returns how many rows were ever taken, row 0 among them, given the arrays of one of the files.

    Raises:
        KeyError: it is not there.
    """
    return int(arrays["next"]) if "next" in arrays else len(arrays["keys"])


def taken_over(files: Iterable[Arrays], is_own: IsOwn) -> SavedIds:
    """Returns the ids of all files that belong to an owner, and what belongs to all owners.

    Args:
        files: of a checkpoint, each read when it is asked for.
        is_own: tells which ids do.

    Raises:
        KeyError: an array or all files are not there.
    """
    parts = [_chosen(_unfolded(arrays), is_own) for arrays in files]
    if not parts:
        raise KeyError("keys")
    return parts[0]._replace(
        held=Held(*map(np.concatenate, zip(*(part.held for part in parts)))),
        candidates={name: np.concatenate([part.candidates[name] for part in parts]) for name in _CANDIDATES},
        freed=joined([part.freed for part in parts]),
    )


def _unfolded(arrays: Arrays) -> SavedIds:
    free = arrays["free"].astype(np.int32)
    if "rows" in arrays:
        held = Held(arrays["keys"], arrays["rows"], arrays["last_seen"], arrays["generations"])
        freed = Freed(free, arrays["free_generations"], arrays["free_places"])
    else:
        rows = np.flatnonzero(arrays["keys"] != MISSING).astype(np.int32)
        held = Held(arrays["keys"][rows], rows, arrays["last_seen"][rows], arrays["generations"][rows])
        freed = Freed(free, arrays["generations"][free], np.arange(len(free)))
    candidates = {name: arrays[name] for name in _CANDIDATES}
    counts_days = bool(arrays["counts_days"]) if "counts_days" in arrays else None
    return SavedIds(held, candidates, freed, num_rows_in(arrays), int(arrays["clock"]), counts_days)


def _chosen(saved: SavedIds, is_own: IsOwn) -> SavedIds:
    of_candidates = is_own(saved.candidates["candidate_keys"])
    candidates = {name: column[of_candidates] for name, column in saved.candidates.items()}
    return saved._replace(held=saved.held.take(is_own(saved.held.keys)), candidates=candidates)
