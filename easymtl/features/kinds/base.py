"""What is the same for all kinds of packed columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column
from easymtl.features.encoded import Encoded
from easymtl.features.growing.key_map import MISSING
from easymtl.features.pieces import Piece
from easymtl.features.served_table import ServedTable
from easymtl.protos.feature_pb2 import Initializer

Tensors = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Table:
    """The embedding table of a feature, or of all features that share its `embedding_name`.

    Attributes:
        name: the `embedding_name`, else "<group>/<feature>".
        rows: number of rows.
        width: width of a row.
        initializer: as declared, None for the default.
        offset: where its first row lies in the variable of its width.
        ids: the name of the ids that get rows of a table that grows; empty for one whose rows are known.
    """

    name: str
    rows: int
    width: int
    initializer: Initializer | None
    offset: int
    ids: str = ""


@dataclass(frozen=True)
class Slot:
    """A feature in a group.

    Attributes:
        group: name of the group.
        feature: name of the feature.
        width: width of the vector it becomes; of each step of a history.
        table: None for plain numbers.
        columns: the packed columns that it is one of.
        index: its place there; for numbers the first column of its own.
    """

    group: str
    feature: str
    width: int
    table: Table | None
    columns: PackedColumns = field(repr=False, compare=False)
    index: int

    @property
    def offset(self) -> int:
        """Returns where the rows of its table start in the variable of its width."""
        return self.table.offset if self.table else 0

    @property
    def is_growing(self) -> bool:
        """Returns whether its ids are keys, of which rows are found when a batch is used."""
        return bool(self.table and self.table.ids)

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Returns rows of the variable of rows of the table, -1 for none; keys of a growing table stay keys."""
        return ids if self.is_growing or not self.offset else np.where(ids < 0, -1, ids + self.offset)


ROWS, FEATURES, NUMBERS, VALUES, STEPS, ITEMS = "rows", "features", "numbers", "values", "steps", "items"
"""Axes of packed tensors. Parts of several columns stand side by side along `FEATURES` and `NUMBERS`."""


class PackedForm(NamedTuple):
    """A tensor of a packed request, of which packed columns fill a part, or all.

    Attributes:
        name: of the tensor.
        dtype: of its values.
        axes: what each of its axes counts.
        meaning: what a value of it is, in words.
        padding: what stands where there is nothing.
        of: the tensor whose axes of the same names are as long; itself if None.
        is_weight: whether it holds weights of ids, which a model in which all weigh 1 does not have.
        is_length: whether it counts the steps of `of`.
    """

    name: str
    dtype: tf.DType
    axes: tuple[str, ...]
    meaning: str
    padding: int | float | None = None
    of: str | None = None
    is_weight: bool = False
    is_length: bool = False


class Numbers(NamedTuple):
    """The numbers of a feature in a batch, for messages.

    Attributes:
        values: `[n]` or `[n, width]`.
        are_rows: whether each is of one row of the batch.
    """

    values: np.ndarray
    are_rows: bool


class PackedColumns(ABC):
    """The columns of one kind and width, of all features in all groups, as one packed array.

    It is packed in NumPy from distinct values (training), and in TensorFlow, together with columns of other widths,
    from the rows of a request (the exported graph, see `easymtl.features.packing`); both give the same vectors. In
    training, rows of tables are looked up for all kinds of a width together.

    Attributes:
        name: of the column of `Rows`, such as `ids_16`.
        width: width of the vectors.
        is_weighted: whether a bag can hold weights other than 1.
        is_regularized: whether `embedding_regularization` counts the vectors; those of further histories it does not.
        slots: the features, in the order of their index.
    """

    label: ClassVar[str]
    """What the features are called where they are counted."""

    def __init__(self, name: str, width: int):
        self.name = name
        self.width = width
        self.is_weighted = False
        self.is_regularized = True
        self.slots: list[Slot] = []

    @property
    def num_places(self) -> int:
        """Returns the index of the next slot."""
        return len(self.slots)

    @property
    def has_table(self) -> bool:
        """Returns whether the vectors are rows of tables."""
        return any(slot.table for slot in self.slots)

    @abstractmethod
    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> Column:
        """Returns the column of `Rows`, in NumPy, of features as distinct values."""

    @staticmethod
    @abstractmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns the tensors of a batch that a column of `Rows` is fed as."""

    @abstractmethod
    def packed_forms(self) -> list[PackedForm]:
        """Returns the tensors of a packed request in which the features stand; those of weights need not be."""

    def packed_size(self, slot: Slot) -> int:
        """Returns how many places a feature has in each of these tensors."""
        return 1

    @abstractmethod
    def packed(
        self, pieces: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns the part of a packed request that some of the features fill, of pieces of rows.

        Ids are rows of the feature's own table, -1 for none.

        Args:
            pieces: by feature.
            slots: of the features.
            names: of the tensors that are wanted.
        """

    @abstractmethod
    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the vectors of the features of a packed request; the ops on them may run on a GPU.

        Args:
            parts: the places of all slots, in their order, in each of the packed tensors.
            table: `[1 + rows, width]`, a zero vector and the rows of all tables of the width.
        """

    def served_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `served_vectors`."""
        return self.vector_specs()

    def ids(self, batch: Tensors) -> tf.Tensor | None:
        """Returns the rows to look up in the variable of the width, `[m]`, -1 for none; None without a table."""
        return None

    @abstractmethod
    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the vectors of the features.

        Args:
            batch: the tensors.
            rows: float32 `[1 + distinct, width]`, a zero vector and the distinct rows of the batch.
            positions: int32 `[m]`, for each of `ids` its place in `rows`.
        """

    @abstractmethod
    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `vectors`."""

    def made_up(self, batch_size: int, seed: int, num_steps: int) -> dict[str, tf.Tensor]:
        """Returns random `vectors` of so many rows; a history has `num_steps` in each."""
        return {
            name: tf.random.stateless_normal([batch_size, *spec.shape[1:]], [0, seed])
            for name, spec in self.vector_specs().items()
        }

    @abstractmethod
    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Returns the vectors of runs of slots, `[batch, width of the run]` each; together they are all slots."""

    def follows(self, first: Slot, second: Slot) -> bool:
        """Returns whether two slots stand side by side."""
        return first.columns is second.columns is self and second.index == first.index + 1

    def keys(self, column: Column, slot: Slot) -> np.ndarray:
        """Returns the ids of one feature in a column, `[m]`: of a growing table they are keys."""
        raise AssertionError(f"{self.name} has no ids")

    def with_rows(self, column: Column, rows: Mapping[str, np.ndarray], dtype: type) -> Column:
        """Returns a column with rows of the variable, -1 for none, in the place of keys.

        Args:
            column: as `pack` returned it, or some rows of it.
            rows: by feature, for each of its `keys` the row of its own table, -1 for none.
            dtype: of what is returned.
        """
        raise AssertionError(f"{self.name} has no ids")

    @abstractmethod
    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> Column:
        """Returns the column with the values of some slots from the rows `order` `[n]`, the others as they are."""

    @abstractmethod
    def numbers(self, column: Column, slot: Slot) -> Numbers | None:
        """Returns the numbers or weights that a feature has in a batch; None where it has none."""

    @abstractmethod
    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields a feature as columns of a file, by what is put behind its name; ids are rows of its own table."""


def own_rows(ids: np.ndarray, slot: Slot) -> pa.Array:
    """Returns rows of the variable as rows of the feature's own table, null for none; keys as they are."""
    if slot.is_growing:
        return pa.array(ids, mask=ids == MISSING)
    return pa.array(ids - slot.offset, mask=ids < 0)


def served_rows(ids: tf.Tensor, slots: Sequence[Slot], axis: int = 1) -> tf.Tensor:
    """Returns the rows of the served table of ids of features; one that is no row of its own table is the zero vector.

    Args:
        ids: int64; those of a slot are rows of its own table.
        slots: of the features.
        axis: along which they stand.
    """
    shape = [1] * len(ids.shape)
    shape[axis] = len(slots)
    tables = [slot.table for slot in slots if slot.table]
    ends = tf.reshape(tf.constant([table.rows for table in tables], tf.int64), shape)
    firsts = tf.reshape(tf.constant([1 + table.offset for table in tables], tf.int64), shape)
    is_row = tf.greater_equal(ids, tf.constant(0, tf.int64)) & tf.less(ids, ends)
    # A choice between tensors of different shapes takes ten times as long.
    return (ids + firsts) * tf.cast(is_row, tf.int64)


def served_sums(table: ServedTable | None, rows: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Returns the weighted sums `[..., width]` of rows `[..., values]` of a served table.

    Row 0 adds nothing, whatever its weight is. Weighted rows are rounded and then added one after the other, as
    training does. A product with the weights themselves, or a sum in parts, would have other bits, and norms make much
    of them.
    """
    assert table is not None, "bags have a table"
    vectors = table.take(rows)
    is_row = tf.not_equal(rows, tf.constant(0, tf.int64))
    if weights is not None:
        # What is no row may weigh anything, and be no number.
        vectors *= tf.where(is_row, weights, tf.zeros_like(weights))[..., tf.newaxis]
    ones = tf.cast(is_row, vectors.dtype)
    return tf.squeeze(tf.matmul(ones[..., tf.newaxis, :], vectors), axis=-2)
