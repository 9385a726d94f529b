"""Which rows of a growing table belong to which ids, and since when they have not been seen."""

from collections.abc import Iterable, Sequence

import numpy as np

from easymtl.features.growing.admission import Admission, Due
from easymtl.features.growing.asked import Asked
from easymtl.features.growing.candidates import Candidates
from easymtl.features.growing.free_rows import NONE, Freed, FreeRows
from easymtl.features.growing.key_map import MISSING, owners_of
from easymtl.features.growing.map_memory import most_candidates, most_rows
from easymtl.features.growing.records import Records
from easymtl.features.growing.saved_ids import Arrays, Held, SavedIds, taken_over
from easymtl.features.growing.sightings import Sightings
from easymtl.protos.feature_pb2 import Growing

DEFAULT_ROW = 0
"""The row of ids that have none of their own."""

_SWEEPS = 8
_COLUMNS = {"rows": np.int32, "last_seen": np.int32, "generations": np.uint32}


class GrowingIds:
    """The map of one growing table, or of all that features share: from ids, as 64-bit keys, to rows.

    Ids get rows in the order in which they are seen, batch after batch, and within a batch in the order of its keys:
    so a map is a function of the batches alone. What a batch does is kept when the step with it has been made, and has
    not happened if `assign` is called again before.

    An id that is seen `admit_after` times is admitted with the batch of the last of them. Those that are not admitted
    are counted exactly, up to twice `max_rows` of them; when there are more, the half that was not seen for longest is
    forgotten. Ids that were not seen for `expire_after` ticks of the clock, which counts steps or days, are forgotten
    by `sweep`, candidates too, and what they had as rows is given away again, the one first that was free for longest.

    Ids may be dealt out to several owners, by a hash of their keys: each has what is known of its own, and all give the
    rows that one owner of all ids would. For that they tell each other what `see`, `reusable` and `expired` return, and
    each goes on with that of all: `dealt_out.py` does it. Each counts its part of those that are not admitted.

    Example:
        ids = GrowingIds(Growing(max_rows=10))
        ids.assign(np.array([77, 5, 77]))  # [1, 2, 1]
        ids.keep()

    Attributes:
        settings: the declaration.
        num_rows: rows of the table: row 0, and `max_rows` for ids.
        num_owners: how many owners there are.
        clock: the step or day at which what is seen now is seen.
        is_of_other_clock: whether the ids were saved by a clock that counts steps where this one counts days, or the
            reverse, and `restart` has not been called since.
        sightings: what to tell of a run.
        version: another number whenever the map may have changed.
        num_ids: how many ids have rows, those of other owners among them.
    """

    def __init__(self, settings: Growing, index: int = 0, num_owners: int = 1):
        self.settings = settings
        self.num_rows = settings.max_rows + 1
        self.num_owners = num_owners
        self.clock = 0
        self.is_of_other_clock = False
        self.sightings = Sightings()
        self.version = 0
        self.num_ids = 0
        self._index = index
        self._batch: Admission | None = None
        self._clear()

    def _clear(self) -> None:
        self._records = Records(most_rows(self.settings, self.num_owners), _COLUMNS)
        self._free = FreeRows(self._index, self.num_owners)
        self._next = 1
        self._candidates = Candidates(most_candidates(self.settings, self.num_owners))

    @property
    def num_candidates(self) -> int:
        """Returns how many ids this owner counts and has not admitted yet."""
        return len(self._candidates)

    @property
    def num_forgotten(self) -> int:
        """Returns how many candidates this owner has forgotten for want of room, in this run."""
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
        """Returns the rows of keys int64 `[n]` of this owner, int32: the default row for unknown ones.

        It is -1 for MISSING.
        """
        places = self._records.find(keys)
        rows: np.ndarray = np.where(places < 0, DEFAULT_ROW, self._records["rows"][places])
        rows[keys == MISSING] = -1
        return rows

    def ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the keys of this owner that have rows, int64 `[n]`, and their rows, ascending."""
        places = self._places_by_row()
        return self._records.keys_at(places), self._records["rows"][places]

    def assign(self, keys: np.ndarray) -> np.ndarray:
        """Returns the rows of a batch's keys in training, new ids among them, and remembers what `keep` is to keep.

        Args:
            keys: int64 `[n]`, of all features that share the map and of all workers, in an order that is always the
                same.

        Returns:
            int32 `[n]`: rows, the default row, and -1 for MISSING ones.
        """
        assert self.num_owners == 1, "other owners have other ids"
        asked = Asked.of(keys)
        self.admit([self.see(asked.keys, asked.counts, np.arange(len(asked.keys)), asked.num_values)])
        return asked.spread(self.give(self.reusable()))

    def see(self, keys: np.ndarray, counts: np.ndarray, order: np.ndarray, num_values: int) -> Due:
        """Looks at the ids of a batch that belong to this owner, and returns which of them are to have rows.

        Args:
            keys: int64 `[n]`, none of them twice or MISSING, in the order in which they come.
            counts: int64 `[n]`, how often each comes.
            order: int64 `[n]`, ascending: where they stand among all ids of the batch.
            num_values: how many values this owner adds to those of the batch; whoever has asked for them.
        """
        batch = self._batch = Admission(keys, counts, order, self._records.find(keys))
        strangers = keys[batch.places < 0]
        counted = (
            self._candidates.counts(strangers) if self.settings.admit_after > 1 else np.zeros(len(strangers), np.int64)
        )
        return batch.due(counted, self.settings.admit_after, num_values)

    def admit(self, of_owners: Sequence[Due]) -> None:
        """Decides which ids get rows, given what all owners have seen: those that come first, if there is no room."""
        assert self._batch
        self._batch.admit(of_owners, self.settings.max_rows - self.num_ids)

    def num_reused(self) -> int:
        """Returns how many of the rows that are given away now are free ones that ids had before."""
        return min(self._batch.num_admitted, len(self._free)) if self._batch else 0

    def reusable(self) -> Freed:
        """Returns those of them that this owner knows of."""
        return self._free.first(self.num_reused())

    def give(self, reused: Freed) -> np.ndarray:
        """Returns the rows of the ids that this owner has seen, int32 `[n]`, given what all have as `reusable`."""
        batch = self._batch
        assert batch
        batch.give(reused, self._next)
        rows: np.ndarray = np.where(batch.places < 0, DEFAULT_ROW, self._records["rows"][batch.places])
        rows[batch.admitted] = batch.rows
        return rows

    def keep(self) -> None:
        """Keeps what the last `assign` has found; the batch has been trained on."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        self.sightings.num_keys += batch.num_values
        self.sightings.num_unknown += batch.num_unknown
        self._records["last_seen"][batch.places[batch.places >= 0]] = self.clock
        if batch.num_admitted:
            num_reused = len(batch.reused.rows)
            self._free.drop(num_reused)
            self._next += batch.num_admitted - num_reused
            self.num_ids += batch.num_admitted
            self.version += 1
        new = batch.keys[batch.admitted]
        self._records.add(new, rows=batch.rows, last_seen=self.clock, generations=batch.generations)
        # Where each id is admitted when it is seen, what is left finds no room: nobody need be counted.
        if self.settings.admit_after > 1:
            self._candidates.remove(new)
            self._candidates.add(*batch.left(), self.clock)

    def reused(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows that the last `assign` has given away again, int32 `[n]`, and how often that was before.

        They hold what an earlier id has left there; the other new rows are as the table was made. Rows of the ids of
        other owners are among them.
        """
        reused = self._batch.reused if self._batch else NONE
        return reused.rows, reused.generations

    def sweep(self) -> int:
        """Frees the rows of ids that have not been seen for too long, if it is time to look; returns how many.

        The clock has to be set. Called again at the same time it does nothing.
        """
        return self.free([self.expired()]) if self.is_due else 0

    @property
    def is_due(self) -> bool:
        """Returns whether it is time to look for ids that have not been seen for too long."""
        is_tick = self.counts_days or self.clock % max(self.expire_after // _SWEEPS, 1) == 0
        return self.expire_after > 0 and is_tick

    def expired(self) -> tuple[np.ndarray, np.ndarray]:
        """Forgets the ids of this owner that have not been seen for too long.

        Returns:
            Their rows, int32 `[n]`, and how many ids have had them, uint32 `[n]`.
        """
        self._batch = None
        before = self.clock - self.expire_after
        self._candidates.expire(before)
        places = self._records.places()
        old = places[self._records["last_seen"][places] < before]
        freed = self._records["rows"][old], self._records["generations"][old] + np.uint32(1)
        self._records.remove(old)
        return freed

    def free(self, of_owners: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
        """Takes back the rows that all owners have found to be `expired`; returns how many."""
        rows, generations = (np.concatenate(part) for part in zip(*of_owners))
        if len(rows):
            order = np.argsort(rows)
            self._free.add(rows[order], generations[order])
            self.num_ids -= len(rows)
            self.sightings.num_freed += len(rows)
            self.version += 1
        return len(rows)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns all that `restore` needs of this owner, as copies: 16 to 20 bytes an id, and 16 a candidate."""
        places = self._places_by_row()
        held = Held(self._records.keys_at(places), *(self._records[name][places] for name in _COLUMNS))
        saved = SavedIds(held, self._candidates.arrays(), self._free.own(), self._next, self.clock, self.counts_days)
        return saved.arrays(self.num_owners == 1)

    def restore(self, files: Iterable[Arrays]) -> None:
        """Brings back what owners have returned as `arrays`, however many they were: this one takes what is its own.

        Nobody knows how old ids are that were saved by a clock that counts otherwise: all count as seen at once.

        Raises:
            KeyError: an array is not there.
            ValueError: there are more rows than the table has.
        """
        saved = taken_over(files, self._is_own)
        if saved.next_row > self.num_rows:
            raise ValueError(f"{saved.next_row - 1} rows were in use, and there are {self.settings.max_rows} now")
        self._clear()
        self._batch = None
        self.clock = saved.clock
        self.is_of_other_clock = saved.counts_days not in (None, self.counts_days)
        held, (keys, counts, seen_as_candidate) = saved.held, saved.candidates.values()
        if self.is_of_other_clock:
            held = held._replace(last_seen=np.full_like(held.last_seen, self.clock))
            seen_as_candidate = np.full_like(seen_as_candidate, self.clock)
        self._records.add(held.keys, rows=held.rows, last_seen=held.last_seen, generations=held.generations)
        self._free = FreeRows(self._index, self.num_owners, saved.freed)
        self._next = saved.next_row
        self.num_ids = self._next - 1 - len(self._free)
        self._candidates.restore(keys, counts, seen_as_candidate)
        self.version += 1

    def restart(self, clock: int) -> None:
        """Sets the clock for a training that begins with these ids: they are as old as they were by the one before."""
        self.is_of_other_clock = False
        last_seen = self._records["last_seen"]
        last_seen += np.int32(clock - self.clock)
        self._candidates.age(clock - self.clock)
        self.clock = clock

    def _places_by_row(self) -> np.ndarray:
        places = self._records.places()
        return places[np.argsort(self._records["rows"][places])]

    def _is_own(self, keys: np.ndarray) -> np.ndarray | slice:
        return slice(None) if self.num_owners == 1 else owners_of(keys, self.num_owners) == self._index
