"""What is the same for all kinds of packed columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column
from easymtl.features.encoded import Encoded
from easymtl.features.pieces import Piece
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
    """

    name: str
    rows: int
    width: int
    initializer: Initializer | None
    offset: int


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

    It is packed in NumPy from distinct values (training) and in TensorFlow from the rows of a request (the exported
    graph); both give the same tensors of a batch. Rows of tables are looked up for all kinds of a width together.

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
    def transform(self, pieces: Mapping[str, Piece], num_rows: tf.Tensor, id_type: tf.DType) -> dict[str, tf.Tensor]:
        """Returns the same tensors, in TensorFlow, of features as pieces of rows."""

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
    """Returns rows of the variable as rows of the feature's own table, null for none."""
    return pa.array(ids - slot.offset, mask=ids < 0)
