"""Growing tables in a training: rows for the ids of each batch, and what the user should know of them."""

import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Rows
from easymtl.features.growing.growing_ids import GrowingIds
from easymtl.features.growing.growing_tables import Reused
from easymtl.features.growing.initial_rows import InitialRows
from easymtl.features.initial_rows import initial_rows
from easymtl.peers.peers import ONE, Peers
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.averages import write_rows
from easymtl.training.optimizers import Optimizers

_SECONDS_OF_DAY = 24 * 60 * 60


class Growth:
    """Gives rows to ids where batches are handed to the step: so maps are as of the last step, whatever is read ahead.

    Rows that another id has had are reset before the step: their weights to initial values, their slots and averages to
    what those of a new table are.
    """

    def __init__(self, ranker: Ranker, optimizers: Optimizers, listener: events.Listener, peers: Peers = ONE):
        self._peers = peers
        self._growing = ranker.feature_set.growing
        self._embeddings = ranker.embeddings
        self._optimizers = optimizers
        self._tell = listener
        self._initial: dict[str, InitialRows] = {}
        self._has_told_full: set[str] = set()
        self._day: int | None = None
        self._today = 0

    def begin(self, step: int, day: int | None) -> None:
        """Sets the clocks where a training begins or goes on; frees what has not been seen for `expire_after_days`.

        Args:
            step: updates made.
            day: of the data, counted from 1970 on; None where they were begun before, on a day that the ids remember.
        """
        if not self._growing:
            return
        # Of several workers by the clock of the chief.
        [(self._day, self._today), *_] = self._peers.share((day, today()))
        for name, freed in self._set_clocks(step).items():
            days = self._growing.ids[name].settings.expire_after_days
            self._tell(events.Note(f'growing table "{name}": {freed:,} ids not seen for {days} days are gone.'))

    def refused(self, step: int) -> None:
        """Forgets the batch that was handed out: its step was not made.

        Args:
            step: updates made. They may be fewer than before: the ids are then those of a checkpoint, which may have
                been written before these data were begun.
        """
        if self._growing:
            self._set_clocks(step)

    def _set_clocks(self, step: int) -> dict[str, int]:
        """Sets the clocks, and returns how many ids that count days are gone, by the name of their ids."""
        gone: dict[str, int] = {}
        for name, ids in self._growing.ids.items():
            if ids.is_of_other_clock:
                day = self._today if self._day is None else self._day
                ids.restart(day if ids.counts_days else step)
            if ids.counts_days and self._day is not None:
                # A clock that was set back, or a part that comes late, makes nothing younger.
                ids.clock = max(ids.clock, self._day)
                if freed := self._growing.sweep(name):
                    gone[name] = freed
        return gone

    def hand_out(self, rows: Rows, step: int) -> Rows:
        """Returns a batch with rows of tables, `step` updates having been made."""
        if not self._growing:
            return rows
        for name, ids in self._growing.ids.items():
            if not ids.counts_days:
                ids.clock = step
                self._growing.sweep(name)
        placed = self._growing.assign(rows, self._peers)
        for reused in self._growing.reused():
            self._reset(reused, step)
        return placed

    def keep(self) -> None:
        """Keeps the rows of the batch that was handed out: the step with it has been made."""
        self._growing.keep()
        for name, ids in self._growing.ids.items():
            if ids.is_full and ids.sightings.num_unknown and name not in self._has_told_full:
                self._has_told_full.add(name)
                self._tell(events.Note(_full(name, ids)))

    def summary(self) -> Iterator[str]:
        """Yields a sentence for each map, at the end of a training; all workers have to ask for it."""
        for name, ids in self._growing.ids.items():
            if ids.sightings.num_keys:
                yield f'growing table "{name}": {", ".join(_facts(ids, *self._growing.num_waiting(name)))}.'

    def _reset(self, reused: Reused, step: int) -> None:
        table = reused.table
        if table.name not in self._initial:
            self._initial[table.name] = initial_rows(table, self._embeddings.seed)
        is_own, places = self._embeddings.own_places(table.width, reused.rows.astype(np.int64) + table.offset)
        values = self._initial[table.name](reused.rows, reused.generations)[is_own]
        variable = self._embeddings.variable(table.width)
        numbers = tf.constant(places[is_own])
        if self._optimizers.touched:
            # The step need not: its batch has the id in some of the tables, perhaps, or one of them is frozen.
            self._optimizers.touched.mark(variable, numbers)
        write_rows(variable, numbers, tf.constant(values))
        for name, slot in self._optimizers.slots_of(variable).items():
            write_rows(slot, numbers, tf.fill(values.shape, self._optimizers.initial_slot(variable, name)))
        average = self._optimizers.average_of(variable)
        if average is not None:
            write_rows(average.value, numbers, tf.constant(values))
        if average is not None and average.updated_at is not None:
            write_rows(average.updated_at, numbers, tf.fill([len(values)], tf.constant(step, tf.int64)))


def today() -> int:
    """Returns the day by the clock of this machine (UTC), counted from 1970 on."""
    return int(time.time() // _SECONDS_OF_DAY)


def _full(name: str, ids: GrowingIds) -> str:
    expires = ids.expire_after > 0
    advice = "raise growing.max_rows" if expires else "raise growing.max_rows, or let ids expire (expire_after_steps)"
    return (
        f'growing table "{name}": all {ids.settings.max_rows:,} rows are taken, and further ids take row 0, as unknown '
        f"ones do; {advice}."
    )


def _facts(ids: GrowingIds, num_waiting: int, num_forgotten: int) -> Iterator[str]:
    seen = ids.sightings
    yield f"{ids.num_ids:,} of {ids.settings.max_rows:,} rows are taken"
    yield f"{seen.num_unknown / seen.num_keys:.2%} of {seen.num_keys:,} values of this run took row 0"
    if ids.settings.admit_after > 1:
        yield f"{num_waiting:,} ids were not seen {ids.settings.admit_after} times yet"
    if seen.num_freed:
        yield f"{seen.num_freed:,} rows were freed of ids that were not seen any more"
    if num_forgotten:
        yield f"{num_forgotten:,} ids that were seen too rarely were forgotten for want of room"
