"""Ids: one row of a table per row."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column
from easymtl.features.encoded import Encoded
from easymtl.features.kinds.base import (
    FEATURES,
    ROWS,
    Numbers,
    PackedColumns,
    PackedForm,
    Slot,
    Tensors,
    own_rows,
    served_rows,
)
from easymtl.features.pieces import Ids, Piece, expect
from easymtl.features.products import take_rows
from easymtl.features.served_table import ServedTable

_ROWS_AT_ONCE = 8192


class IdColumns(PackedColumns):
    """`ids_<width>`: rows of the width's variable, `[n, K]`, -1 for the zero vector."""

    label = "ids"

    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> np.ndarray:
        """Returns ids `[n, K]`."""
        dtype = id_type.as_numpy_dtype
        columns = [features[slot.feature] for slot in self.slots]
        ids = [slot.rows_of(expect(one.piece, Ids).ids.numpy()).astype(dtype) for slot, one in zip(self.slots, columns)]
        packed: np.ndarray = np.empty((num_rows, len(self.slots)), dtype)
        # Feature by feature, and turned in parts that stay in the processor's cache.
        part: np.ndarray = np.empty((len(self.slots), min(num_rows, _ROWS_AT_ONCE)), dtype)
        for first in range(0, num_rows, _ROWS_AT_ONCE):
            rows = slice(first, min(first + _ROWS_AT_ONCE, num_rows))
            size = rows.stop - first
            for place, (values, (_, indices)) in enumerate(zip(ids, columns)):
                if indices is None:
                    part[place, :size] = values[rows]
                else:
                    # The default mode of take would buffer its output.
                    np.take(values, indices[rows], out=part[place, :size], mode="clip")
            packed[rows] = part[:, :size].T
        return packed

    @staticmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns the ids under the name of the column."""
        return {name: np.asarray(column)}

    def packed_forms(self) -> list[PackedForm]:
        """Returns `ids`."""
        return [PackedForm("ids", tf.int64, (ROWS, FEATURES), "row of the feature's table", padding=-1)]

    def packed(
        self, pieces: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns `ids` `[n, slots]`."""
        return {"ids": tf.stack([expect(pieces[slot.feature], Ids).ids for slot in slots], axis=1)}

    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the vectors `[n, K, width]`."""
        assert table is not None, "ids have a table"
        return {self._vectors: table.take(served_rows(parts["ids"], self.slots))}

    def ids(self, batch: Tensors) -> tf.Tensor:
        """Returns the ids row by row."""
        return tf.reshape(batch[self.name], [-1])

    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the vectors `[batch, K, width]`."""
        return {self._vectors: tf.reshape(take_rows(rows, positions), [-1, len(self.slots), self.width])}

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the spec of `vectors`."""
        return {self._vectors: tf.TensorSpec([None, len(self.slots), self.width], tf.float32)}

    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Returns the vectors of runs of slots, `[batch, width of the run]` each."""
        return split_slots(vectors[self._vectors], runs)

    def keys(self, column: Column, slot: Slot) -> np.ndarray:
        """Returns the ids of one feature."""
        return np.asarray(column)[:, slot.index]

    def with_rows(self, column: Column, rows: Mapping[str, np.ndarray], dtype: type) -> np.ndarray:
        """Returns rows in the place of keys."""
        result: np.ndarray = np.asarray(column).astype(dtype)
        for slot in self.slots:
            if slot.is_growing:
                own = rows[slot.feature]
                result[:, slot.index] = np.where(own < 0, -1, own + slot.offset)
        return result

    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> np.ndarray:
        """Returns the ids with those of some slots taken from other rows."""
        result = np.array(column)
        places = [slot.index for slot in slots]
        result[:, places] = np.asarray(column)[order][:, places]
        return result

    def numbers(self, column: Column, slot: Slot) -> Numbers | None:
        """Returns None: ids are no numbers."""
        return None

    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields the ids."""
        yield "", own_rows(np.asarray(column)[:, slot.index], slot)

    @property
    def _vectors(self) -> str:
        return f"id_{self.width}"


def split_slots(packed: tf.Tensor, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
    """Splits vectors `[batch, K, width]` into those of runs of slots, `[batch, slots of the run · width]` each."""
    parts = tf.split(packed, [len(run) for run in runs], axis=1) if len(runs) > 1 else [packed]
    return [tf.reshape(part, [-1, len(run) * packed.shape[-1]]) for part, run in zip(parts, runs)]
