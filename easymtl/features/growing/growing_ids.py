"""Which rows of a growing table belong to which ids, and since when they have not been seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.features.growing.candidates import BY_ROW, Candidates, bytes_of_candidates, long_enough
from easymtl.features.growing.key_map import KeyMap, bytes_of_map
from easymtl.protos.feature_pb2 import Growing

MISSING = int(np.iinfo(np.int64).min)
"""The key of no value at all."""

DEFAULT_ROW = 0
"""The row of ids that have none of their own."""

_SWEEPS = 8
_BYTES_OF_ROW = 4 + 4


@dataclass(frozen=True)
class _Change:
    """What a batch does to the map, once it is kept.

    Attributes:
        seen: rows that were seen; any of them more than once.
        keys: ids that get rows.
        rows: their rows.
        num_reused: how many of these, the first, were free ones that an id had before.
        others: ids that have none.
        counts: how often these were seen.
        num_keys: of the batch, without missing ones.
    """

    seen: np.ndarray
    keys: np.ndarray
    rows: np.ndarray
    num_reused: int
    others: np.ndarray
    counts: np.ndarray
    num_keys: int


@dataclass
class Sightings:
    """What has happened since the map was made or brought back.

    Attributes:
        num_keys: values seen in training, without missing ones.
        num_unknown: how many of them took the default row.
        num_freed: rows that were taken from ids that were not seen any more.
    """

    num_keys: int = 0
    num_unknown: int = 0
    num_freed: int = 0


class GrowingIds:
    """The map of one growing table, or of all that features share: from ids, as 64-bit keys, to rows.

    Ids get rows in the order in which they are seen, batch after batch, and within a batch in the order of its keys:
    so a map is a function of the batches alone. What a batch does is kept when the step with it has been made, and has
    not happened if `assign` is called again before.

    An id that is seen `admit_after` times is admitted with the batch of the last of them. Those that are not admitted
    are counted exactly, up to twice `max_rows` of them; when there are more, the half that was not seen for longest is
    forgotten. Ids that were not seen for `expire_after` ticks of the clock, which counts steps or days, are forgotten
    by `sweep`, candidates too, and what they had as rows is given away again, the one first that was free for longest.

    Example:
        ids = GrowingIds(Growing(max_rows=10))
        ids.assign(np.array([77, 5, 77]))  # [1, 2, 1]
        ids.keep()

    Attributes:
        settings: the declaration.
        num_rows: rows of the table: row 0, and `max_rows` for ids.
        clock: the step or day at which what is seen now is seen.
        is_of_other_clock: whether the ids were saved by a clock that counts steps where this one counts days, or the
            reverse, and `restart` has not been called since.
        sightings: what to tell of a run.
        version: another number whenever the map may have changed.
    """

    def __init__(self, settings: Growing):
        self.settings = settings
        self.num_rows = settings.max_rows + 1
        self.clock = 0
        self.is_of_other_clock = False
        self.sightings = Sightings()
        self.version = 0
        self._pending: _Change | None = None
        self._clear()

    def _clear(self) -> None:
        self._rows = KeyMap(self.num_rows)
        self._last_seen = np.zeros(1, np.int32)
        self._generations = np.zeros(1, np.uint32)
        self._free = np.zeros(0, np.int32)
        self._next = 1
        self._candidates = Candidates(BY_ROW * self.num_rows)

    @property
    def num_ids(self) -> int:
        """Returns how many ids have rows."""
        return len(self._rows)

    @property
    def num_candidates(self) -> int:
        """Returns how many ids are counted and not admitted yet."""
        return len(self._candidates)

    @property
    def num_forgotten(self) -> int:
        """Returns how many candidates were forgotten for want of room, in this run."""
        return self._candidates.num_forgotten

    @property
    def is_full(self) -> bool:
        """Returns whether a further id would find no row."""
        return self.num_ids == self.settings.max_rows

    @property
    def counts_days(self) -> bool:
        """Returns whether the clock counts days, and not steps."""
        return self.settings.expire_after_days > 0

    @property
    def expire_after(self) -> int:
        """Returns the ticks of the clock behind which an id is forgotten; 0 for never."""
        return int(self.settings.expire_after_steps or self.settings.expire_after_days)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Returns the rows of keys int64 `[n]`, int32: the default row for unknown ones, -1 for MISSING ones."""
        rows = self._rows.find(keys)
        rows[rows < 0] = DEFAULT_ROW
        rows[keys == MISSING] = -1
        return rows

    def ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the keys that have rows, int64 `[n]`, and their rows, ascending."""
        rows = self._rows.numbers()
        return self._rows.keys_of(rows), rows

    def assign(self, keys: np.ndarray) -> np.ndarray:
        """Returns the rows of a batch's keys in training, new ids among them, and remembers what `keep` is to keep.

        Args:
            keys: int64 `[n]`, of all features that share the map and of all workers, in an order that is always the
                same.

        Returns:
            int32 `[n]`: rows, the default row, and -1 for MISSING ones.
        """
        rows = self._rows.find(keys)
        is_missing = keys == MISSING
        places = np.flatnonzero((rows < 0) & ~is_missing)
        seen = rows[rows > DEFAULT_ROW]
        strangers, of_stranger, counts = _in_order(keys[places])
        is_due = counts + self._candidates.counts(strangers) >= self.settings.admit_after
        admitted = np.flatnonzero(is_due)[: self.settings.max_rows - self.num_ids]
        new_rows, num_reused = self._next_rows(len(admitted))
        of_strangers = np.full(len(strangers), DEFAULT_ROW, np.int32)
        of_strangers[admitted] = new_rows
        rows[places] = of_strangers[of_stranger]
        rows[is_missing] = -1
        is_left = of_strangers == DEFAULT_ROW
        num_keys = len(keys) - int(np.count_nonzero(is_missing))
        self._pending = _Change(
            seen, strangers[admitted], new_rows, num_reused, strangers[is_left], counts[is_left], num_keys
        )
        return rows

    def keep(self) -> None:
        """Keeps what the last `assign` has found; the batch has been trained on."""
        change, self._pending = self._pending, None
        if change is None:
            return
        self.sightings.num_keys += change.num_keys
        self.sightings.num_unknown += int(change.counts.sum())
        self._last_seen[change.seen] = self.clock
        if len(change.keys):
            self._free = self._free[change.num_reused :]
            self._next = max(self._next, int(change.rows.max()) + 1)
            self._rows.put(change.keys, change.rows)
            self._last_seen = long_enough(self._last_seen, self._next, self.num_rows)
            self._generations = long_enough(self._generations, self._next, self.num_rows)
            self._last_seen[change.rows] = self.clock
            self.version += 1
        # Where each id is admitted when it is seen, what is left finds no room: nobody need be counted.
        if self.settings.admit_after > 1:
            self._candidates.remove(change.keys)
            self._candidates.add(change.others, change.counts, self.clock)

    def reused(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows that the last `assign` has given away again, int32 `[n]`, and how often that was before.

        They hold what an earlier id has left there; the other new rows are as the table was made.
        """
        rows = self._pending.rows[: self._pending.num_reused] if self._pending else np.zeros(0, np.int32)
        return rows, self._generations[rows]

    def sweep(self) -> int:
        """Frees the rows of ids that have not been seen for too long, if it is time to look; returns how many.

        The clock has to be set. Called again at the same time it does nothing.
        """
        self._pending = None
        limit = self.expire_after
        if not limit or (self.settings.expire_after_steps and self.clock % max(limit // _SWEEPS, 1)):
            return 0
        rows = self._rows.numbers()
        old = rows[self._last_seen[rows] < self.clock - limit]
        if len(old):
            self._rows.remove(old)
            self._generations[old] += 1
            self._free = np.concatenate([self._free, old.astype(np.int32)])
            self.version += 1
        self._candidates.expire(self.clock - limit)
        self.sightings.num_freed += len(old)
        return len(old)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns all that `restore` needs, as copies: `8 + 4 + 4` bytes a row and `8 + 4 + 4` a candidate."""
        end = self._next
        keys = np.full(end, MISSING, np.int64)
        held, rows = self.ids()
        keys[rows] = held
        return {
            "keys": keys,
            "last_seen": self._last_seen[:end].copy(),
            "generations": self._generations[:end].copy(),
            "free": self._free.copy(),
            **self._candidates.arrays(),
            "clock": np.array(self.clock, np.int64),
            "counts_days": np.array(self.counts_days),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Brings back what `arrays` returned.

        Nobody knows how old ids are that were saved by a clock that counts otherwise: all count as seen at once.

        Raises:
            KeyError: an array is not there.
            ValueError: there are more rows than the table has.
        """
        keys = arrays["keys"]
        if len(keys) > self.num_rows:
            raise ValueError(f"{len(keys) - 1} rows were in use, and there are {self.settings.max_rows} now")
        self._clear()
        self._pending = None
        rows = np.flatnonzero(keys != MISSING)
        self._rows.put(keys[rows], rows)
        self._next = len(keys)
        self.clock = int(arrays["clock"])
        self.is_of_other_clock = bool(arrays.get("counts_days", self.counts_days)) != self.counts_days
        last_seen, seen_as_candidate = arrays["last_seen"].copy(), arrays["candidate_last_seen"].copy()
        if self.is_of_other_clock:
            last_seen[:] = seen_as_candidate[:] = self.clock
        self._last_seen, self._generations = last_seen, arrays["generations"].copy()
        self._free = arrays["free"].astype(np.int32)
        self._candidates.restore(arrays["candidate_keys"], arrays["candidate_counts"], seen_as_candidate)
        self.version += 1

    def restart(self, clock: int) -> None:
        """Sets the clock for a training that begins with these ids: they are as old as they were by the one before."""
        self.is_of_other_clock = False
        self._last_seen += np.int32(clock - self.clock)
        self._candidates.age(clock - self.clock)
        self.clock = clock

    def _next_rows(self, number: int) -> tuple[np.ndarray, int]:
        """Returns so many rows that no id has, and how many of them, the first, are those that were freed first."""
        freed = self._free[:number]
        fresh = np.arange(self._next, self._next + number - len(freed), dtype=np.int32)
        return np.concatenate([freed, fresh]), len(freed)


def bytes_of_ids(settings: Growing) -> int:
    """Returns the bytes that the map of a table takes at most."""
    num_rows = settings.max_rows + 1
    of_rows = bytes_of_map(num_rows) + _BYTES_OF_ROW * num_rows * 3 // 2
    if settings.admit_after <= 1:
        return of_rows
    return of_rows + bytes_of_candidates(BY_ROW * num_rows)


def _in_order(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the distinct keys in the order in which they come, the one of each key, and how often each comes."""
    encoded = pa.array(keys, pa.int64()).dictionary_encode()
    places = encoded.indices.to_numpy()
    distinct = encoded.dictionary.to_numpy()
    return distinct, places, np.bincount(places, minlength=len(distinct))
