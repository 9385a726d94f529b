"""The growing tables of a feature set: batches with keys in, batches with rows out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.growing import dealt_out
from easymtl.features.growing.growing_ids import DEFAULT_ROW, GrowingIds
from easymtl.features.kinds import Slot, Table
from easymtl.features.tables import Layout
from easymtl.features.transform import Transform
from easymtl.peers.peers import ONE, Peers


@dataclass(frozen=True)
class Reused:
    """Rows of a table that an earlier id has had, and that another one gets.

    Attributes:
        table: the table.
        rows: int32 `[n]`, rows of it.
        generations: uint32 `[n]`, how many ids have had each of them.
    """

    table: Table
    rows: np.ndarray
    generations: np.ndarray


class GrowingTables:
    """Gives rows to the ids of batches, in the order of the batches.

    An encoder makes keys of values, in any thread and as far ahead as it likes. Rows are found where a batch is used:
    in training by `assign`, in the order in which steps are made, and elsewhere by `look_up`, which changes nothing. A
    feature whose tables are of several groups has one map for all of them, and so have features that share a table.

    Attributes:
        ids: the maps, by the name of their ids: that of the feature, or the `embedding_name`.
        ids_of: the name of the ids of each feature that has growing tables.
    """

    def __init__(self, layout: Layout, transforms: Mapping[str, Transform], owners: Peers = ONE):
        """Makes empty maps.

        Args:
            layout: has the tables.
            transforms: have the declarations.
            owners: the workers that the ids are dealt out to: those that the rows of tables are dealt out to.
        """
        self._layout = layout
        self._owners = owners
        self.ids: dict[str, GrowingIds] = {}
        self.ids_of: dict[str, str] = {}
        for slot in _growing_slots(layout):
            assert slot.table is not None
            settings = view.growing_of(transforms[slot.feature].feature)
            assert settings is not None
            self.ids_of[slot.feature] = slot.table.ids
            self.ids.setdefault(slot.table.ids, GrowingIds(settings, owners.index, owners.size))

    def __bool__(self) -> bool:
        return bool(self.ids)

    @property
    def are_dealt_out(self) -> bool:
        """Returns whether other workers have other ids; rows are then found by all workers at once."""
        return self._owners.are_several

    @property
    def owner(self) -> tuple[int, int]:
        """Returns which of the owners of ids this worker is, and how many there are."""
        return self._owners.index, self._owners.size

    def tables(self, ids: str) -> list[Table]:
        """Returns the tables whose rows belong to some ids."""
        return [table for table in self._layout.tables if table.ids == ids]

    def assign(self, rows: Rows, peers: Peers = ONE) -> Rows:
        """Returns the rows of a batch that is trained on next, with rows of tables in the place of keys.

        New ids get rows; they have them in the end if `keep` is called. Several workers give the same rows to the same
        ids: those that a process gives that sees the keys of all their rows, in the order of the workers. Where ids are
        dealt out, their owners are asked; else each worker has the ids, and sees the keys, of all of them.

        Args:
            rows: this worker's.
            peers: the workers that train together.
        """
        if self.are_dealt_out:
            return self._with_rows(rows, lambda keys: dealt_out.assign(self.ids, keys, self._owners))[0]

        def assign(name: str, keys: np.ndarray) -> np.ndarray:
            parts = [np.frombuffer(content, np.int64) for content in peers.share_bytes(keys.tobytes())]
            ends = np.cumsum([len(part) for part in parts])
            found = self.ids[name].assign(np.concatenate(parts))
            return found[ends[peers.index] - len(keys) : ends[peers.index]]

        return self._with_rows(rows, lambda keys: {name: assign(name, own) for name, own in keys.items()})[0]

    def look_up(self, rows: Rows) -> Rows:
        """Returns rows with rows of tables in the place of keys: the default row for ids that have none."""
        return self.looked_up(rows)[0]

    def looked_up(self, rows: Rows) -> tuple[Rows, dict[str, int]]:
        """Returns the same, and how many values of each feature have the default row, missing ones left out."""

        def find(keys: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            if self.are_dealt_out:
                return dealt_out.find(self.ids, keys, self._owners)
            return {name: self.ids[name].find(own) for name, own in keys.items()}

        rows, found = self._with_rows(rows, find)
        return rows, {feature: int(np.count_nonzero(own == DEFAULT_ROW)) for feature, own in found.items()}

    def sweep(self, name: str) -> int:
        """Frees the rows of ids that were not seen for too long, see `GrowingIds.sweep`; returns how many."""
        return dealt_out.sweep(self.ids[name], self._owners) if self.are_dealt_out else self.ids[name].sweep()

    def keep(self) -> None:
        """Keeps what `assign` has found: the batch has been trained on."""
        for ids in self.ids.values():
            ids.keep()

    def reused(self) -> list[Reused]:
        """Returns the rows that `assign` has given away again, of each table that has any."""
        found = []
        for name, ids in self.ids.items():
            rows, generations = ids.reused()
            if len(rows):
                found += [Reused(table, rows, generations) for table in self.tables(name)]
        return found

    def rows_of(self, feature: str, keys: np.ndarray) -> np.ndarray:
        """Returns the rows of a feature's keys int64 `[n]` in its table; of one that does not grow they are rows."""
        assert not self.are_dealt_out, "other workers have other ids"
        return self.ids[self.ids_of[feature]].find(keys) if feature in self.ids_of else keys

    def num_waiting(self, name: str) -> tuple[int, int]:
        """Returns how many ids are counted and have no row, and how many such were forgotten.

        All workers have to ask for it.
        """
        own = self.ids[name].num_candidates, self.ids[name].num_forgotten
        waiting, forgotten = map(sum, zip(*self._owners.share(own)))
        return waiting, forgotten

    def arrays(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the state of each map, as copies; of one that is dealt out what this worker has."""
        return {name: ids.arrays() for name, ids in self.ids.items()}

    def _with_rows(
        self, rows: Rows, find: Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
    ) -> tuple[Rows, dict[str, np.ndarray]]:
        """Returns rows with rows of tables in the place of keys, and the rows of the keys of each feature.

        Args:
            rows: have keys.
            find: returns the rows of keys, both by the name of the ids.
        """
        if not self.ids:
            return rows, {}
        keys: dict[str, dict[str, np.ndarray]] = {name: {} for name in self.ids}
        for slot in _growing_slots(self._layout):
            name = self.ids_of[slot.feature]
            if slot.feature not in keys[name]:
                keys[name][slot.feature] = slot.columns.keys(rows.columns[slot.columns.name], slot)
        of_all = find({name: np.concatenate(list(by_feature.values())) for name, by_feature in keys.items()})
        found: dict[str, np.ndarray] = {}
        for name, by_feature in keys.items():
            ends = np.cumsum([len(part) for part in by_feature.values()])
            found |= zip(by_feature, np.split(of_all[name], ends[:-1]))
        columns = dict(rows.columns)
        for kind in self._layout.growing_columns:
            dtype = self._layout.id_type(kind.width).as_numpy_dtype
            columns[kind.name] = kind.with_rows(columns[kind.name], found, dtype)
        return Rows(columns), found


def _growing_slots(layout: Layout) -> list[Slot]:
    return [slot for columns in layout.growing_columns for slot in columns.slots if slot.is_growing]
