"""Numbers: what needs no table."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column
from easymtl.features.encoded import Encoded
from easymtl.features.kinds.base import NUMBERS, ROWS, Numbers, PackedColumns, PackedForm, Slot, Tensors
from easymtl.features.pieces import Dense, Piece, expect
from easymtl.features.served_table import ServedTable


class DenseColumns(PackedColumns):
    """`dense`: the numbers of all features side by side, `[n, W]` float32; a slot's index is its first column."""

    label = "numbers"

    @property
    def num_places(self) -> int:
        """Returns W."""
        return sum(slot.width for slot in self.slots)

    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> np.ndarray:
        """Returns the numbers `[n, W]`."""
        columns = []
        for slot in self.slots:
            encoded = features[slot.feature]
            values = expect(encoded.piece, Dense).values.numpy()
            columns.append(values if encoded.indices is None else values.take(encoded.indices, axis=0))
        return np.concatenate(columns, axis=1)

    @staticmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns the numbers under the name of the column."""
        return {name: np.asarray(column)}

    def packed_forms(self) -> list[PackedForm]:
        """Returns `dense`."""
        return [PackedForm("dense", tf.float32, (ROWS, NUMBERS), "number as the network reads it, scaled")]

    def packed_size(self, slot: Slot) -> int:
        """Returns how many numbers a feature has."""
        return slot.width

    def packed(
        self, pieces: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns `dense` `[n, numbers of the slots]`."""
        return {"dense": tf.concat([expect(pieces[slot.feature], Dense).values for slot in slots], axis=1)}

    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the numbers as they are."""
        return {self.name: parts["dense"]}

    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the numbers as they are."""
        return {self.name: batch[self.name]}

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the spec of `vectors`."""
        return {self.name: tf.TensorSpec([None, self.num_places], tf.float32)}

    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Returns the numbers of runs of slots, `[batch, width of the run]` each."""
        if len(runs) == 1:
            return [vectors[self.name]]
        return tf.split(vectors[self.name], [sum(slot.width for slot in run) for run in runs], axis=1)

    def follows(self, first: Slot, second: Slot) -> bool:
        """Returns whether two slots stand side by side."""
        return first.columns is second.columns is self and second.index == first.index + first.width

    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> np.ndarray:
        """Returns the numbers with those of some slots taken from other rows."""
        result = np.array(column)
        places = [slot.index + place for slot in slots for place in range(slot.width)]
        result[:, places] = np.asarray(column)[order][:, places]
        return result

    def numbers(self, column: Column, slot: Slot) -> Numbers:
        """Returns the numbers of the feature, `[n, width]`."""
        return Numbers(self._own(column, slot), True)

    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields the numbers, or lists of them."""
        values = self._own(column, slot)
        yield "", pa.array(values[:, 0]) if slot.width == 1 else pa.array(list(values))

    def _own(self, column: Column, slot: Slot) -> np.ndarray:
        return np.asarray(column)[:, slot.index : slot.index + slot.width]
