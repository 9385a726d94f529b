"""Embedding tables: one variable per width, and a batch's distinct rows as the leaves of the gradient.

A step looks up each distinct row of a width once. The gradient is taken with respect to those rows, so an optimizer
is handed row numbers without repeats and one gradient each, whatever the size of the table.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from easymtl.features.feature_set import FeatureSet, Slot, Table
from easymtl.features.growing.initial_rows import InitialRows, num_places
from easymtl.features.kinds import StepColumns
from easymtl.features.kinds.base import Tensors
from easymtl.layers.context import Parameter

_ROWS_PER_FILL = 1 << 18
_MADE_UP_STEPS = 20


@dataclass(frozen=True)
class Lookup:
    """The distinct rows of one width that a batch needs.

    Attributes:
        row_numbers: int `[distinct]`, without repeats: rows of the width's variable.
        rows: float32 `[distinct, width]`, their values; watch these to get the gradient.
        positions: by the name of packed columns, int32 `[m]`: for each of their ids 0 for a zero vector, else 1 + its
            place in `rows`.
    """

    row_numbers: tf.Tensor
    rows: tf.Tensor
    positions: dict[str, tf.Tensor]


class Embeddings(tf.Module):
    """The embedding tables of a feature set, and the vectors that its features find there."""

    def __init__(self, feature_set: FeatureSet, seed: int):
        super().__init__()
        self.feature_set = feature_set
        self.seed = seed
        self._columns = list(feature_set.layout.columns.values())
        self.variables_by_width: dict[str, tf.Variable] = {}
        for width, num_rows in feature_set.rows_by_width.items():
            self.variables_by_width[str(width)] = tf.Variable(tf.zeros([num_rows, width]))
        for table in feature_set.tables:
            _fill(self.variable(table.width), table, seed)

    def variable(self, width: int) -> tf.Variable:
        """Returns the variable `[rows, width]` that holds all tables of a width."""
        return self.variables_by_width[str(width)]

    def parameters(self) -> dict[str, Parameter]:
        """Returns each table as a parameter, named as EasyRec names its variable."""
        names = self.names()
        result: dict[str, Parameter] = {}
        for table in self.feature_set.tables:
            name, begin, rows = names[table.name], table.offset, table.rows
            if name in result:
                # The features of an embedding layer share one parameter: their tables lie one behind the other.
                assert begin == result[name].begin + result[name].num_rows, name
                begin, rows = result[name].begin, rows + result[name].num_rows
            result[name] = Parameter(name, self.variable(table.width), begin, rows, (rows, table.width))
        return result

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

    def lookup(self, batch: Tensors) -> dict[int, Lookup]:
        """Gathers the distinct rows of a batch, by width: those of ids, bags and histories together."""
        return {width: self._lookup(width, batch) for width in self.feature_set.rows_by_width}

    def _lookup(self, width: int, batch: Tensors) -> Lookup:
        found = {columns.name: columns.ids(batch) for columns in self._columns if columns.width == width}
        parts = {name: ids for name, ids in found.items() if ids is not None}
        # -1 goes first, so that it is the distinct value number 0, whether or not the batch has one.
        ids = list(parts.values())
        distinct, positions = tf.unique(tf.concat([tf.constant([-1], ids[0].dtype), *ids], axis=0))
        row_numbers, positions = distinct[1:], positions[1:]
        places = tf.split(positions, [tf.size(part) for part in ids], num=len(ids)) if len(ids) > 1 else [positions]
        rows = tf.gather(self.variable(width), row_numbers)
        return Lookup(row_numbers, rows, dict(zip(parts, places)))

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


def initial_rows(table: Table, seed: int) -> InitialRows:
    """Returns what rows of a growing table begin with when another id has had them."""
    salt = zlib.crc32(table.name.encode())
    drawn = _initial_rows(table, num_places(table.rows), tf.constant([seed, ~salt], tf.int64))
    return InitialRows(drawn)


def _fill(variable: tf.Variable, table: Table, seed: int) -> None:
    """Writes the initial values of one table, block by block: a function of (seed, table name, block) alone."""
    salt = zlib.crc32(table.name.encode())
    for start in range(0, table.rows, _ROWS_PER_FILL):
        count = min(_ROWS_PER_FILL, table.rows - start)
        block_seed = tf.random.experimental.stateless_fold_in(tf.constant([seed, salt], tf.int64), start)
        begin = table.offset + start
        variable[begin : begin + count].assign(_initial_rows(table, count, block_seed))


def _initial_rows(table: Table, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns `[count, width]` initial rows; without an initializer a truncated normal of 0.01 / sqrt(width)."""
    shape = [count, table.width]
    kind = table.initializer.WhichOneof("initializer_oneof") if table.initializer else None
    if kind is None:
        return tf.random.stateless_truncated_normal(shape, seed, 0.0, 0.01 / table.width**0.5)
    message = getattr(table.initializer, kind)
    if kind == "truncated_normal_initializer":
        return tf.random.stateless_truncated_normal(shape, seed, message.mean, message.stddev)
    if kind == "random_normal_initializer":
        return tf.random.stateless_normal(shape, seed, message.mean, message.stddev)
    if kind == "glorot_normal_initializer":
        # Glorot and Bengio 2010: variance 2 / (rows + width); truncation takes away the factor 0.8796.
        stddev = (2.0 / (table.rows + table.width)) ** 0.5 / 0.87962566103423978
        return tf.random.stateless_truncated_normal(shape, seed, 0.0, stddev)
    if kind == "random_uniform_initializer":
        return tf.random.stateless_uniform(shape, seed, message.minval, message.maxval)
    if kind == "constant_initializer":
        return tf.broadcast_to(tf.constant(list(message.consts) or [0.0], tf.float32), shape)
    raise AssertionError(f"no such initializer: {kind}")
