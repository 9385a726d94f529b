"""Embedding tables: one variable per width, and a batch's distinct rows as the leaves of the gradient.

A step looks up each distinct row of a width once. The gradient is taken with respect to those rows, so an optimizer
is handed row numbers without repeats and one gradient each, whatever the size of the table.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from easymtl.features.feature_set import FeatureSet, Slot, Table
from easymtl.layers.context import Parameter

_ROWS_PER_FILL = 1 << 18


@dataclass(frozen=True)
class Lookup:
    """The distinct rows of one width that a batch needs.

    Attributes:
        row_numbers: int `[distinct]`, without repeats: rows of the width's variable.
        rows: float32 `[distinct, width]`, their values; watch these to get the gradient.
        positions: int32 `[num_values]`: for each id of the batch (ids of the single-valued slots row by row, then
            those of the bags) 0 for a zero vector, else 1 + its place in `rows`.
    """

    row_numbers: tf.Tensor
    rows: tf.Tensor
    positions: tf.Tensor


class Embeddings(tf.Module):
    """The embedding tables of a feature set, and the inputs of its groups."""

    def __init__(self, feature_set: FeatureSet, seed: int):
        super().__init__()
        self.feature_set = feature_set
        self._runs = {group: list(_runs(slots)) for group, slots in feature_set.slots.items()}
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
        names = {table.name: table.name for table in self.feature_set.tables}
        for index, (group, slots) in enumerate(self.feature_set.slots.items()):
            scope = f"input_layer_{index}" if index else "input_layer"
            for slot in slots:
                if slot.table and slot.table.name == f"{group}/{slot.feature}":
                    names[slot.table.name] = f"{scope}/{slot.feature}_embedding/embedding_weights"
                elif slot.table:
                    names[slot.table.name] = f"input_layer/{slot.table.name}/embedding_weights"
        return {
            names[table.name]: Parameter(
                names[table.name], self.variable(table.width), table.offset, table.rows, (table.rows, table.width)
            )
            for table in self.feature_set.tables
        }

    def lookup(self, batch: Mapping[str, tf.Tensor]) -> dict[int, Lookup]:
        """Gathers the distinct rows of a batch, by width."""
        return {width: self._lookup(width, batch) for width in self.feature_set.rows_by_width}

    def _lookup(self, width: int, batch: Mapping[str, tf.Tensor]) -> Lookup:
        parts = [tf.reshape(batch[key], [-1]) for key in (f"ids_{width}", f"bag_ids_{width}") if key in batch]
        # -1 goes first, so that it is the distinct value number 0, whether or not the batch has one.
        ids = tf.concat([tf.constant([-1], parts[0].dtype), *parts], axis=0)
        distinct, positions = tf.unique(ids)
        row_numbers = distinct[1:]
        return Lookup(row_numbers, tf.gather(self.variable(width), row_numbers), positions[1:])

    def vectors(self, batch: Mapping[str, tf.Tensor], lookups: Mapping[int, Lookup]) -> dict[str, tf.Tensor]:
        """Returns the vectors of all slots: `id_<width>` and `bag_<width>`, each `[batch, slots, width]`."""
        result: dict[str, tf.Tensor] = {}
        for width, lookup in lookups.items():
            rows = tf.pad(lookup.rows, [[1, 0], [0, 0]])
            ids = batch.get(f"ids_{width}")
            num_ids = 0 if ids is None else tf.size(ids)
            if ids is not None:
                result[f"id_{width}"] = tf.reshape(
                    _take_rows(rows, lookup.positions[:num_ids]), [-1, *ids.shape[1:], width]
                )
            if f"bag_ids_{width}" in batch:
                result[f"bag_{width}"] = self._sum_bags(width, rows, lookup.positions[num_ids:], batch)
        return result

    def _sum_bags(self, width: int, rows: tf.Tensor, positions: tf.Tensor, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        weights = batch.get(f"bag_weights_{width}")
        num_bags = self.feature_set.num_bags(width)
        sums = _sum_rows(
            rows,
            tf.ones(tf.shape(positions)) if weights is None else weights,
            batch[f"bag_segments_{width}"],
            positions,
            batch["batch_size"] * num_bags,
        )
        return tf.reshape(sums, [-1, num_bags, width])

    def groups(self, batch: Mapping[str, tf.Tensor], vectors: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the input of each feature group, `[batch, width]`, its features in the order of the config."""
        pieces = {**batch, **self._split(vectors)}
        return {group: _join([_piece(run, pieces) for run in runs]) for group, runs in self._runs.items()}

    def inputs(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the input of each feature group, `[batch, width]`, of a batch that nothing is to be learnt from."""
        return self.groups(batch, self.vectors(batch, self.lookup(batch)))

    def _split(self, vectors: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the vectors of each run of slots, `[batch, slots of the run, width]`, by its key."""
        runs = sorted((run for runs in self._runs.values() for run in runs), key=lambda run: run[0].index)
        result: dict[str, tf.Tensor] = {}
        for name, packed in vectors.items():
            own = [run for run in runs if _packed_name(run) == name]
            parts = tf.split(packed, [len(run) for run in own], axis=1) if len(own) > 1 else [packed]
            result |= {_key(run): part for run, part in zip(own, parts)}
        return result

    def group_widths(self) -> dict[str, int]:
        """Returns the width of each group."""
        return {group: sum(slot.width for slot in slots) for group, slots in self.feature_set.slots.items()}

    def squared_norm(self, vectors: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns half the sum of the squares of all looked-up outputs of the batch, a scalar."""
        return tf.add_n([tf.nn.l2_loss(value) for value in vectors.values()] or [tf.constant(0.0)])


@tf.custom_gradient
def _take_rows(table: tf.Tensor, positions: tf.Tensor):
    """`tf.gather` whose gradient is dense: every row of `table` is used, so sparse form buys nothing."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        count = tf.size(positions)
        places = _places(tf.range(count), positions)
        return _product(places, tf.ones([count]), [count, tf.shape(table)[0]], upstream, adjoint_a=True), None

    return tf.gather(table, positions), gradient


@tf.custom_gradient
def _sum_rows(table: tf.Tensor, weights: tf.Tensor, sums: tf.Tensor, positions: tf.Tensor, num_sums: tf.Tensor):
    """Returns `[num_sums, width]`: to each of `sums` goes the weighted row of `table` at its place in `positions`."""
    places, shape = _places(sums, positions), [num_sums, tf.shape(table)[0]]

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        return _product(places, weights, shape, upstream, adjoint_a=True), None, None, None, None

    return _product(places, weights, shape, table), gradient


def _places(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.stack([rows, columns], axis=1), tf.int64)


def _product(
    places: tf.Tensor, values: tf.Tensor, shape: Sequence[tf.Tensor], dense: tf.Tensor, adjoint_a: bool = False
) -> tf.Tensor:
    """Returns a sparse matrix times a dense one: it takes half the time of a segment sum, and no weighted copy."""
    shape = tf.cast(tf.stack(shape), tf.int64)
    return tf.raw_ops.SparseTensorDenseMatMul(
        a_indices=places, a_values=values, a_shape=shape, b=dense, adjoint_a=adjoint_a
    )


def _runs(slots: list[Slot]) -> Iterator[list[Slot]]:
    """Splits the slots of a group into runs that lie side by side in the packed tensors."""
    run: list[Slot] = []
    for slot in slots:
        if run and not _follows(run[-1], slot):
            yield run
            run = []
        run.append(slot)
    if run:
        yield run


def _follows(first: Slot, second: Slot) -> bool:
    if first.kind != second.kind or (first.kind != "dense" and first.width != second.width):
        return False
    return second.index == first.index + (first.width if first.kind == "dense" else 1)


def _packed_name(run: list[Slot]) -> str:
    return f"{run[0].kind}_{run[0].width}"


def _key(run: list[Slot]) -> str:
    return f"{_packed_name(run)}/{run[0].index}"


def _piece(run: list[Slot], pieces: Mapping[str, tf.Tensor]) -> tf.Tensor:
    first, width = run[0], sum(slot.width for slot in run)
    if first.kind == "dense":
        return pieces["dense"][:, first.index : first.index + width]
    return tf.reshape(pieces[_key(run)], [-1, width])


def _join(pieces: list[tf.Tensor]) -> tf.Tensor:
    return tf.concat(pieces, axis=1) if len(pieces) > 1 else pieces[0]


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
    if kind == "constant_initializer":
        return tf.broadcast_to(tf.constant(list(message.consts) or [0.0], tf.float32), shape)
    raise AssertionError(f"no such initializer: {kind}")
