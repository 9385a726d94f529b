"""Which checkpoints of a training are full, and of which tables the others save rows: `checkpoint_deltas`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.checkpoints.changed_rows import ChangedRows, counts_of
from easymtl.checkpoints.deltas import DELTA, Base
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.stored_tensors import StoredTensors
from easymtl.layers.context import Parameter
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.optimizers import Optimizers
from easymtl.training.touched_rows import TouchedRows

_SINCE = "since_full"
_FLOAT_BYTES = 4


class DeltaSaving:
    """Keeps track of what has changed since the last full checkpoint, where the config asks for deltas."""

    def __init__(
        self,
        settings: TrainConfig,
        ranker: Ranker,
        optimizers: Optimizers,
        listener: events.Listener,
        owners: Peers = ONE,
    ):
        """Has steps mark the rows that they change; call it before one is traced.

        Args:
            settings: of the training.
            ranker: its tables are saved in parts.
            optimizers: what changes rows.
            listener: is told, once, if the file system allows no deltas.
            owners: the workers that the rows of the tables are dealt out to.
        """
        self._settings, self._tell, self._owners = settings.checkpoint_deltas, listener, owners
        self._base: Base | None = None
        self._since = 0
        self._has_told = False
        self._tables: dict[str, Parameter] = {}
        self._touched = TouchedRows([])
        if not settings.HasField("checkpoint_deltas"):
            return
        if not optimizers.embedding.rule.moves_untouched_rows:
            self._tables = _large_tables(ranker, self._settings.min_table_bytes)
            if not self._tables:
                self._tell_once(f"no table has {self._settings.min_table_bytes:,} bytes (min_table_bytes)")
        variables = {table.variable.ref(): table.variable for table in self._tables.values()}
        self._touched = optimizers.touched = TouchedRows(variables.values())

    def restore(self, checkpoint: Checkpoint, state: Mapping[str, Any], is_same: bool) -> None:
        """Goes on from a checkpoint whose weights the model has.

        Args:
            checkpoint: is the full one, or a delta of it.
            state: of it.
            is_same: whether the model has all that is in it, averages too: else nothing is known of any row.
        """
        if not self._tables:
            return
        self._base, self._since = None, int(state.get(DELTA, {}).get(_SINCE, 0))
        stored = StoredTensors(checkpoint.path)
        changed = {name: stored.changed_rows(name) for name in self._tables} if DELTA in state else {}
        known = {name: rows for name, rows in changed.items() if rows is not None}
        self._touched.begin((self._tables[name], rows) for name, rows in known.items())
        if is_same and len(known) == len(changed):
            self._base = Base.of(checkpoint.path, state)

    def changed(self, final: Path, is_interim: bool) -> Mapping[str, ChangedRows] | None:
        """Returns the rows of tables that the next checkpoint saves; None if it is a full one. All owners have to ask.

        Args:
            final: where the checkpoint will be.
            is_interim: whether an uninterrupted training would not save it: then it does not count.
        """
        if not self._tables or not self._is_delta(final, is_interim):
            return None
        places = self._touched.places_of(self._tables)
        counts = self._owners.share({name: counts_of(self._tables[name], own) for name, own in places.items()})
        return {
            name: ChangedRows.of(self._tables[name], own, [of_one[name] for of_one in counts], self._owners.index)
            for name, own in places.items()
        }

    def _is_delta(self, final: Path, is_interim: bool) -> bool:
        """Returns whether the next checkpoint is one, as the chief finds, who links to files for all."""
        why_full = self._why_full(final, is_interim) if self._owners.is_chief else None
        [why_full, *_] = self._owners.share(why_full)
        if why_full:
            self._tell_once(why_full)
        return why_full is None

    def _why_full(self, final: Path, is_interim: bool) -> str | None:
        """Returns why the next checkpoint is full, a reason to be told or ""; None if it is not."""
        if self._base is None or (not is_interim and self._since + 1 >= self._settings.full_every):
            return ""
        why_not = self._base.why_not_linked(final)
        return f"{self._base.folder} cannot be linked to: {why_not}" if why_not else None

    @property
    def base(self) -> Base:
        """Returns the full checkpoint that `changed` is about."""
        assert self._base
        return self._base

    def begin(self, is_delta: bool, is_interim: bool) -> dict[str, Any]:
        """Begins to save a checkpoint: what changes from now on is for the next one.

        Returns:
            What its state says of it.
        """
        if not is_delta:
            self._since = 0
            self._touched.begin()
            return {}
        self._since += 0 if is_interim else 1
        return {DELTA: {_SINCE: self._since}}

    def again(self, state: Mapping[str, Any], is_interim: bool) -> dict[str, Any]:
        """Returns what the state of a checkpoint says of it when it is written anew, given the earlier state."""
        if DELTA not in state:
            return {}
        if state["is_interim"] and not is_interim:
            self._since += 1
        return {DELTA: {_SINCE: self._since}}

    def saved(self, checkpoint: Checkpoint) -> None:
        """Tells that a checkpoint is published: its files are there to be linked to, by the chief."""
        if self._tables:
            self._base = Base.of(checkpoint.path, checkpoint.state() if self._owners.is_chief else {})

    def _tell_once(self, why: str) -> None:
        if not self._has_told:
            self._tell(events.Note(f"train_config.checkpoint_deltas: checkpoints are full, because {why}."))
        self._has_told = True


def _large_tables(ranker: Ranker, least_bytes: int) -> dict[str, Parameter]:
    """Returns the tables of at least so many bytes, by the names of their parameters."""
    return {
        name: table
        for name, table in ranker.embeddings.parameters().items()
        if _FLOAT_BYTES * int(np.prod(table.shape, dtype=np.int64)) >= least_bytes
    }
