"""Embedding tables: one variable per width, and a batch's distinct rows as the leaves of the gradient.

A step looks up each distinct row of a width once. The gradient is taken with respect to those rows, so an optimizer
is handed row numbers without repeats and one gradient each, whatever the size of the table.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from easymtl.features.feature_set import FeatureSet, Slot
from easymtl.features.initial_rows import fill
from easymtl.features.kinds import StepColumns
from easymtl.features.kinds.base import Tensors
from easymtl.features.row_exchange import RowExchange
from easymtl.layers.context import HOST, Parameter
from easymtl.peers.dealing import Dealing
from easymtl.peers.peers import ONE, Peers

_MADE_UP_STEPS = 20

ReadRows = Callable[[tf.Variable, tf.Tensor], tf.Tensor]
"""Returns rows of a variable, given their numbers."""


@dataclass(frozen=True)
class Lookup:
    """The distinct rows of one width that a batch needs.

    Attributes:
        row_numbers: int `[distinct]`, without repeats: rows of the width's tables, which lie one behind the other.
        rows: float32 `[distinct, width]`, their values; watch these to get the gradient.
        positions: by the name of packed columns, int32 `[m]`: for each of their ids 0 for a zero vector, else 1 + its
            place in `rows`.
        exchange: how the rows of all widths came from the workers that have them; None where each has all rows.
    """

    row_numbers: tf.Tensor
    rows: tf.Tensor
    positions: dict[str, tf.Tensor]
    exchange: RowExchange | None = None


class Embeddings(tf.Module):
    """The embedding tables of a feature set, and the vectors that its features find there.

    Where the rows are dealt out, a worker's variable of a width has the rows of this worker alone, and every look-up is
    made by all workers at once.

    Attributes:
        feature_set: reads them.
        seed: of their initial values.
        device: where they lie, rows are looked up and updates of rows are made; None for wherever TensorFlow puts them.
        are_on_disk: whether the variables hold no rows, which stay in files.
    """

    are_on_disk = False

    def __init__(
        self,
        feature_set: FeatureSet,
        seed: int,
        peers: Peers = ONE,
        device: str | None = None,
        draws: bool = True,
    ):
        """Makes the tables.

        Args:
            feature_set: reads them.
            seed: of their initial values, which are the same however many workers there are.
            peers: the workers that the rows are dealt out to.
            device: where they lie.
            draws: whether they get initial values, and are not zero.
        """
        super().__init__()
        self.feature_set = feature_set
        self.seed = seed
        self.device = device
        self._peers = peers
        self._columns = list(feature_set.layout.columns.values())
        self._dealings: dict[int, Dealing] = {}
        self.variables_by_width: dict[str, tf.Variable] = {}
        for width, num_rows in feature_set.rows_by_width.items():
            tables = [table for table in feature_set.tables if table.width == width]
            if peers.are_several:
                dealing = Dealing(tuple(table.rows for table in tables), peers.size, peers.index)
                self._dealings[width], num_rows = dealing, dealing.num_own_rows
            with on_device(device):
                variable = self.variables_by_width[str(width)] = tf.Variable(tf.zeros([num_rows, width]))
            if draws:
                fill(variable, tables, seed, self._dealings.get(width))

    @property
    def are_dealt_out(self) -> bool:
        """Returns whether each worker has other rows."""
        return self._peers.are_several

    def variable(self, width: int) -> tf.Variable:
        """Returns the variable `[rows, width]` that holds all tables of a width, or what this worker has of them."""
        return self.variables_by_width[str(width)]

    def rows(self, width: int, begin: int, end: int) -> tf.Tensor:
        """Returns the rows of a width from `begin` to before `end`, float32 `[end - begin, width]`."""
        # A gather copies these rows alone; reading a table that has had sparse updates copies all of it.
        return tf.gather(self.variable(width), tf.range(begin, end))

    def parameters(self) -> dict[str, Parameter]:
        """Returns each table as a parameter, named as EasyRec names its variable."""
        names = self.names()
        result: dict[str, Parameter] = {}
        for table in self.feature_set.tables:
            own, name = self.own_rows(table.name), names[table.name]
            if name in result:
                # The features of an embedding layer share one parameter: their tables lie one behind the other.
                before = result[name]
                assert own.begin == before.begin + before.num_rows, name
                begin, rows = before.shape[0], before.shape[0] + table.rows
                runs = None if own.runs is None else [(first + begin, count) for first, count in own.runs]
                own = replace(
                    own,
                    begin=before.begin,
                    num_rows=before.num_rows + own.num_rows,
                    shape=(rows, table.width),
                    runs=None if runs is None else (*(before.runs or ()), *runs),
                )
            result[name] = replace(own, name=name)
        return result

    def own_rows(self, name: str) -> Parameter:
        """Returns where the rows of a table are that this worker has, given the name of the table."""
        table = next(table for table in self.feature_set.tables if table.name == name)
        variable, shape = self.variable(table.width), (table.rows, table.width)
        dealing = self._dealings.get(table.width)
        if dealing is None:
            return Parameter(name, variable, table.offset, table.rows, shape)
        of_width = [one.name for one in self.feature_set.tables if one.width == table.width]
        number = of_width.index(name)
        runs = tuple(dealing.runs(number))
        return Parameter(name, variable, dealing.own_begin(number), sum(count for _, count in runs), shape, runs)

    def own_places(self, width: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns which rows of a width this worker has, bool `[n]`, and where: int64 `[n]`, meant for those alone.

        Args:
            width: of the rows.
            rows: int64 `[n]`, counted through all tables of the width.
        """
        dealing = self._dealings.get(width)
        if dealing is None:
            return np.ones(len(rows), bool), rows
        owners, places = dealing.places(tf.constant(rows))
        return owners.numpy() == self._peers.index, places.numpy()

    def names(self) -> dict[str, str]:
        """Returns the name of the parameter of each table."""
        names: dict[str, str] = {}
        scopes = combined_scopes(self.feature_set)
        for group, slots in self.feature_set.groups.items():
            read = self.feature_set.input_groups[group]
            for slot in [*slots.plain, *slots.sequences]:
                feature = read.plain_name(slot.feature)
                if slot.table and read.table:
                    names[slot.table.name] = read.table
                elif slot.table and slot.table.name == f"{group}/{slot.feature}":
                    name = f"{read.scope}/{feature}_embedding/embedding_weights"
                    if (combined := scopes.get((group, slot.feature))) is not None:
                        name = f"{combined}/embedding_weights"
                    if read.has_steps and slot in slots.sequences:
                        # There histories that are read step by step have one table in all groups.
                        alone = f"input_layer/{feature}/embedding_weights"
                        name = f"{read.scope}/{feature}/embedding_weights" if alone in names.values() else alone
                    names[slot.table.name] = name
                elif slot.table:
                    names[slot.table.name] = f"input_layer/{slot.table.name}/embedding_weights"
        for group, slots in self.feature_set.groups.items():
            for slot in slots.attention.values():
                if slot.table and slot.table.name == f"{group}/attention/{slot.feature}":
                    names[slot.table.name] = f"{group}/{slot.feature}_embedding/embedding_weights"
                elif slot.table:
                    names.setdefault(slot.table.name, f"{group}/{slot.table.name}/embedding_weights")
        return names

    def lookup(self, batch: Tensors, read: ReadRows = tf.gather) -> dict[int, Lookup]:
        """Gathers the distinct rows of a batch, by width: those of ids, bags and histories together.

        Args:
            batch: a packed one; where rows are dealt out, each worker has one, which may have no rows.
            read: returns the rows of a variable.
        """
        # A device would have to be waited for before the number of distinct rows is known.
        with tf.device(HOST):
            found = {width: self._distinct(width, batch) for width in self.feature_set.rows_by_width}
        if not self.are_dealt_out or not found:
            with on_device(self.device):
                return {
                    width: Lookup(numbers, read(self.variable(width), numbers), positions)
                    for width, (numbers, positions) in found.items()
                }
        exchange = RowExchange(self._peers, self._dealings, {width: numbers for width, (numbers, _) in found.items()})
        with on_device(self.device):
            own = {width: read(self.variable(width), wanted) for width, wanted in exchange.wanted.items()}
        rows = exchange.rows(own)
        return {
            width: Lookup(numbers, rows[width], positions, exchange) for width, (numbers, positions) in found.items()
        }

    def num_distinct(self, batch: Tensors) -> dict[int, int]:
        """Returns how many distinct rows a batch needs, by width."""
        return {width: int(tf.size(self._distinct(width, batch)[0])) for width in self.feature_set.rows_by_width}

    def _distinct(self, width: int, batch: Tensors) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the distinct rows of a width and, by the name of columns, the places of their ids among these."""
        found = {columns.name: columns.ids(batch) for columns in self._columns if columns.width == width}
        parts = {name: ids for name, ids in found.items() if ids is not None}
        # -1 goes first, so that it is the distinct value number 0, whether or not the batch has one.
        ids = list(parts.values())
        distinct, positions = tf.unique(tf.concat([tf.constant([-1], ids[0].dtype), *ids], axis=0))
        row_numbers, positions = distinct[1:], positions[1:]
        places = tf.split(positions, [tf.size(part) for part in ids], num=len(ids)) if len(ids) > 1 else [positions]
        return row_numbers, dict(zip(parts, places))

    def vectors(self, batch: Tensors, lookups: Mapping[int, Lookup]) -> dict[str, tf.Tensor]:
        """Returns the vectors of all features, see `PackedColumns.vectors`."""
        rows = {width: tf.pad(lookup.rows, [[1, 0], [0, 0]]) for width, lookup in lookups.items()}
        result: dict[str, tf.Tensor] = {}
        for columns in self._columns:
            lookup = lookups.get(columns.width)
            positions = lookup.positions.get(columns.name) if lookup else None
            result |= columns.vectors(batch, rows.get(columns.width), positions)
        return result

    def looked_up(self, batch: Tensors) -> dict[str, tf.Tensor]:
        """Returns the vectors of a batch that nothing is to be learnt from."""
        return self.vectors(batch, self.lookup(batch))

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `vectors`."""
        return {name: spec for columns in self._columns for name, spec in columns.vector_specs().items()}

    def made_up_vectors(self, batch_size: int) -> dict[str, tf.Tensor]:
        """Returns random vectors of so many rows, as of a batch; histories are no longer than any of them may be."""
        limits = [columns.most_steps for columns in self._columns if isinstance(columns, StepColumns)]
        num_steps = min([_MADE_UP_STEPS, *(limit for limit in limits if limit)])
        result: dict[str, tf.Tensor] = {}
        for seed, columns in enumerate(self._columns):
            result |= columns.made_up(batch_size, seed, num_steps)
        return result

    def squared_norm(self, vectors: Tensors) -> tf.Tensor:
        """Returns half the sum of the squares of all looked-up outputs of the batch, a scalar."""
        counted = [columns for columns in self._columns if columns.has_table and columns.is_regularized]
        names = [name for columns in counted for name in columns.vector_specs()]
        looked_up = [vectors[name] for name in names if tf.as_dtype(vectors[name].dtype).is_floating]
        return tf.add_n([tf.nn.l2_loss(value) for value in looked_up] or [tf.constant(0.0)])


def on_device(device: str | None) -> AbstractContextManager:
    """Puts what is made in a block on a device; None leaves it to TensorFlow, or to the block around."""
    return tf.device(device) if device else nullcontext()


def combined_scopes(feature_set: FeatureSet) -> dict[tuple[str, str], str]:
    """Returns the scope of each history that a `sequence_combiner` makes one vector of, by group and feature.

    EasyRec names table and layers of it after its column, with a number where another group has it too.
    """
    result: dict[tuple[str, str], str] = {}
    seen: dict[str, int] = {}
    for group, slots in feature_set.groups.items():
        if feature_set.input_groups[group].has_steps:
            continue
        for slot in sorted(slots.sequences, key=lambda slot: column_name(slot, feature_set)):
            if feature_set.transforms[slot.feature].feature.sequence_combiner.WhichOneof("combiner"):
                name = column_name(slot, feature_set)
                result[group, slot.feature] = f"{name}_{seen[name]}" if name in seen else name
                seen[name] = seen.get(name, 0) + 1
    return result


def column_name(slot: Slot, feature_set: FeatureSet) -> str:
    """Returns how EasyRec names, and sorts, the column of a history."""
    has_buckets = bool(getattr(feature_set.transforms[slot.feature], "boundaries", ()))
    return f"{slot.feature}_{'bucketized_' if has_buckets else ''}embedding"
