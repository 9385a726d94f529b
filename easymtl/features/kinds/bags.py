"""Bags: any number of weighted rows of a table per row, summed."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column, Ragged
from easymtl.features.encoded import Encoded
from easymtl.features.kinds.base import (
    FEATURES,
    ROWS,
    VALUES,
    Numbers,
    PackedColumns,
    PackedForm,
    Slot,
    Tensors,
    own_rows,
    served_rows,
    served_sums,
)
from easymtl.features.kinds.ids import split_slots
from easymtl.features.pieces import Bags, Piece, expect
from easymtl.features.products import sum_rows
from easymtl.features.rectangles import longest, padded
from easymtl.features.served_table import ServedTable


class BagColumns(PackedColumns):
    """`bags_<width>`: K bags of rows of the width's variable per row, the combiner folded into weights.

    A batch has `bag_ids_<width>` `[m]`, `bag_segments_<width>` int32 `[m]` (row · K + bag, ascending) and, where some
    feature needs them, `bag_weights_<width>` float32 `[m]`.
    """

    label = "bags"

    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> Ragged:
        """Returns K bags per row, taken from the pool of the distinct values' bags."""
        places = np.empty((num_rows, len(self.slots)), np.int64)
        ids, weights, pool = [], [], []
        first = 0
        for index, slot in enumerate(self.slots):
            bags, indices = expect(features[slot.feature].piece, Bags), features[slot.feature].indices
            places[:, index] = np.arange(first, first + num_rows) if indices is None else first + indices
            ids.append(slot.rows_of(bags.ids.numpy()).astype(id_type.as_numpy_dtype))
            pool.append(bags.lengths.numpy())
            first += len(pool[-1])
            if self.is_weighted:
                weights.append(np.ones(len(ids[-1]), np.float32) if bags.weights is None else bags.weights.numpy())
        lengths = np.concatenate(pool).astype(np.int32)[:, np.newaxis]
        bags_of_pool = Ragged(np.concatenate(ids), lengths, np.concatenate(weights) if self.is_weighted else None)
        taken = bags_of_pool.take(places.reshape(-1))
        return Ragged(taken.values, taken.lengths.reshape(places.shape), taken.weights)

    @staticmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns ids, segments and weights of packed bags, each `[m]`."""
        assert isinstance(column, Ragged)
        width = name.removeprefix("bags_")
        lengths = column.lengths.reshape(-1)
        segments = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        weights = {} if column.weights is None else {f"bag_weights_{width}": column.weights}
        return {f"bag_ids_{width}": np.asarray(column.values), f"bag_segments_{width}": segments, **weights}

    def packed_forms(self) -> list[PackedForm]:
        """Returns `bag_ids`, and `bag_weights` at the same places."""
        axes = (ROWS, FEATURES, VALUES)
        weight = "weight of the id at this place, the combiner in it"
        return [
            PackedForm("bag_ids", tf.int64, axes, "row of the feature's table", padding=-1),
            PackedForm("bag_weights", tf.float32, axes, weight, padding=0.0, of="bag_ids", is_weight=True),
        ]

    def packed(
        self, pieces: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns `bag_ids`, and `bag_weights`, `[n, slots, longest]`."""
        return bag_rectangles([expect(pieces[slot.feature], Bags) for slot in slots], len(slots), names)

    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the weighted sums `[n, K, width]`."""
        rows = served_rows(parts["bag_ids"], self.slots)
        return {self._vectors: served_sums(table, rows, parts.get("bag_weights"))}

    def ids(self, batch: Tensors) -> tf.Tensor:
        """Returns the ids of all bags."""
        return batch[f"bag_ids_{self.width}"]

    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the weighted sums `[batch, K, width]`."""
        weights = batch.get(f"bag_weights_{self.width}")
        sums = sum_rows(
            rows,
            tf.ones(tf.shape(positions)) if weights is None else weights,
            batch[f"bag_segments_{self.width}"],
            positions,
            batch["batch_size"] * len(self.slots),
        )
        return {self._vectors: tf.reshape(sums, [-1, len(self.slots), self.width])}

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the spec of `vectors`."""
        return {self._vectors: tf.TensorSpec([None, len(self.slots), self.width], tf.float32)}

    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Returns the vectors of runs of slots, `[batch, width of the run]` each."""
        return split_slots(vectors[self._vectors], runs)

    def keys(self, column: Column, slot: Slot) -> np.ndarray:
        """Returns the ids of one feature, row after row."""
        assert isinstance(column, Ragged)
        return np.asarray(column.values)[self._is_of(column, slot)]

    def with_rows(self, column: Column, rows: Mapping[str, np.ndarray], dtype: type) -> Ragged:
        """Returns rows in the place of keys; a tag without a name has row 0."""
        assert isinstance(column, Ragged)
        values: np.ndarray = np.asarray(column.values).astype(dtype)
        for slot in self.slots:
            if slot.is_growing:
                values[self._is_of(column, slot)] = np.maximum(rows[slot.feature], 0) + slot.offset
        return Ragged(values, column.lengths, column.weights)

    def _is_of(self, column: Ragged, slot: Slot) -> np.ndarray | slice:
        """Returns which of all ids are those of one feature."""
        if len(self.slots) == 1:
            return slice(None)
        places = np.tile(np.arange(len(self.slots), dtype=np.int32), len(column))
        return np.repeat(places == slot.index, column.lengths.reshape(-1))

    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> Ragged:
        """Returns the bags with those of some slots taken from other rows."""
        assert isinstance(column, Ragged)
        num_rows, num_bags = column.lengths.shape
        bags = np.arange(num_rows * num_bags).reshape(num_rows, num_bags)
        places = [slot.index for slot in slots]
        bags[:, places] = bags[order][:, places]
        taken = Ragged(column.values, column.lengths.reshape(-1, 1), column.weights).take(bags.reshape(-1))
        return Ragged(taken.values, taken.lengths.reshape(num_rows, num_bags), taken.weights)

    def numbers(self, column: Column, slot: Slot) -> Numbers | None:
        """Returns the weights of the bags of all rows."""
        assert isinstance(column, Ragged)
        return None if column.weights is None else Numbers(_of_bag(column, slot.index, column.weights)[0], False)

    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields the lists of ids, and those of their weights."""
        assert isinstance(column, Ragged)
        ids, starts = _of_bag(column, slot.index, np.asarray(column.values))
        yield "", pa.ListArray.from_arrays(starts, own_rows(ids, slot))
        if column.weights is not None:
            weights, starts = _of_bag(column, slot.index, column.weights)
            yield " weights", pa.ListArray.from_arrays(starts, pa.array(weights))

    @property
    def _vectors(self) -> str:
        return f"bag_{self.width}"


def bag_rectangles(bags: Sequence[Bags], num_features: int, names: Collection[str]) -> dict[str, tf.Tensor]:
    """Returns `bag_ids`, and `bag_weights` if it is among the names, `[n, features, longest]`.

    Args:
        bags: of features, those of `n` rows for each: a piece for a feature, or for several, one behind the other.
        num_features: how many there are in all.
        names: of the tensors that are wanted.
    """
    lengths, ids = tf.concat([one.lengths for one in bags], axis=0), tf.concat([one.ids for one in bags], axis=0)
    several: list[tuple[tf.Tensor, int | float]] = [(ids, -1)]
    if "bag_weights" in names:
        several.append((tf.concat([weights_of(one) for one in bags], axis=0), 0.0))
    size = longest([lengths])
    shape = tf.stack([tf.constant(num_features, tf.int64), tf.constant(-1, tf.int64), size])
    # No transpose: of int64 oneDNN has none for three axes, and says so in every process.
    made = [
        tf.stack(tf.unstack(tf.reshape(one, shape), num_features), axis=1)
        for one in padded(several, [lengths], [size], num_features)
    ]
    return dict(zip(("bag_ids", "bag_weights"), made))


def weights_of(bags: Bags) -> tf.Tensor:
    """Returns the weights of all ids, `[m]`."""
    return tf.ones_like(bags.ids, tf.float32) if bags.weights is None else bags.weights


def _of_bag(bags: Ragged, index: int, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values of one bag of each row, and where those of each row start `[n + 1]`."""
    num_bags = bags.lengths.shape[1]
    bag = np.repeat(np.tile(np.arange(num_bags), len(bags.lengths)), bags.lengths.reshape(-1))
    starts = np.concatenate([[0], np.cumsum(bags.lengths[:, index])]).astype(np.int32)
    return values[bag == index], starts
