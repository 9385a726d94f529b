"""Plain columns: values as they come, for blocks that read no embeddings."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column
from easymtl.features.encoded import Encoded
from easymtl.features.kinds.base import NUMBERS, ROWS, Numbers, PackedColumns, PackedForm, Slot, Tensors
from easymtl.features.pieces import Piece, Plain, expect
from easymtl.features.served_table import ServedTable


class PlainColumns(PackedColumns):
    """`plain_<number>`: the values of one feature, `[n]` or `[n, width]`: float32, int64 or text.

    Attributes:
        dtype: of the values.
    """

    label = "columns"

    def __init__(self, name: str, width: int, dtype: tf.DType):
        super().__init__(name, width)
        self.dtype = dtype

    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> np.ndarray:
        """Returns the values."""
        (slot,) = self.slots
        encoded = features[slot.feature]
        values = expect(encoded.piece, Plain).values.numpy()
        return values if encoded.indices is None else values.take(encoded.indices, axis=0)

    @staticmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns the values under the name of the column."""
        return {name: np.asarray(column)}

    def packed_forms(self) -> list[PackedForm]:
        """Returns a tensor of its own."""
        axes = (ROWS,) if self.width == 1 else (ROWS, NUMBERS)
        return [PackedForm(self.name, self.dtype, axes, "value as the network reads it")]

    def packed_size(self, slot: Slot) -> int:
        """Returns how many values a row has."""
        return self.width

    def packed(
        self, pieces: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns the values."""
        (slot,) = slots
        return {self.name: expect(pieces[slot.feature], Plain).values}

    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the values as they are."""
        return {self.name: parts[self.name]}

    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the values as they are."""
        return {self.name: batch[self.name]}

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the spec of `vectors`."""
        return {self.name: tf.TensorSpec([None] if self.width == 1 else [None, self.width], self.dtype)}

    def made_up(self, batch_size: int, seed: int, num_steps: int) -> dict[str, tf.Tensor]:
        """Returns values of so many rows: 0 or empty."""
        return {name: tf.zeros([batch_size, *spec.shape[1:]], spec.dtype) for name, spec in self.vector_specs().items()}

    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Returns the values; there is one feature."""
        return [vectors[self.name]]

    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> np.ndarray:
        """Returns the values of other rows; there is one feature."""
        return np.asarray(column)[order]

    def numbers(self, column: Column, slot: Slot) -> Numbers | None:
        """Returns the values if they are numbers with fractions; whole ones are mostly ids."""
        return Numbers(np.asarray(column), True) if self.dtype.is_floating else None

    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields the values, or lists of them."""
        values = np.asarray(column)
        yield "", pa.array(values.tolist() if values.ndim > 1 or values.dtype == object else values)
