"""Steps: a history per row, its vectors not combined."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Column, Ragged
from easymtl.features import pieces
from easymtl.features.encoded import Encoded
from easymtl.features.kinds.bags import weights_of
from easymtl.features.kinds.base import (
    FEATURES,
    ITEMS,
    NUMBERS,
    ROWS,
    STEPS,
    Numbers,
    PackedColumns,
    PackedForm,
    Slot,
    Tensors,
    own_rows,
    served_rows,
    served_sums,
)
from easymtl.features.pieces import Bags, Dense, Ids, Piece, expect
from easymtl.features.products import sum_rows, take_rows
from easymtl.features.rectangles import longest, padded
from easymtl.features.served_table import ServedTable
from easymtl.layers.steps import Rectangle, Segments, Steps


class StepColumns(PackedColumns):
    """`steps_<k>`: the history of one feature.

    A batch has `step_rows_<k>` int32 `[m]`, the row of each step, ascending; `step_lengths_<k>` int32 `[n]`; and by
    what the steps are

        ids      `step_ids_<k>` `[m]`, rows of the width's variable
        bags     `item_ids_<k>` `[p]`, `item_steps_<k>` int32 `[p]`, the step of each, ascending, and
                 `item_weights_<k>` float32 `[p]` where some weigh other than 1
        numbers  `step_values_<k>` float32 `[m, width]`

    A packed request has the tensors of `history`: those that are read side by side stand in the same ones.
    `most_steps` are the steps that are kept of a row, 0 for all. Vectors have the same rows and lengths, and
    `steps_<k>` `[m, width]`, or `[n, longest, width]` for `Rectangle`.
    """

    label = "histories"

    def __init__(self, name: str, width: int, of: type[Ids] | type[Bags] | type[Dense], most_steps: int = 0):
        super().__init__(name, width)
        self.of = of
        self.most_steps = most_steps
        self.history = name

    @property
    def key(self) -> str:
        """Returns k."""
        return self.name.removeprefix("steps_")

    @property
    def slot(self) -> Slot:
        """Returns the feature."""
        return self.slots[0]

    def pack(self, features: Mapping[str, Encoded], num_rows: int, id_type: tf.DType) -> Ragged:
        """Returns the steps of each row, taken from those of the distinct values."""
        encoded = features[self.slot.feature]
        sequence = expect(encoded.piece, pieces.Sequence)
        lengths = sequence.lengths.numpy().astype(np.int32)[:, np.newaxis]
        distinct = Ragged(self._values(sequence.steps, id_type.as_numpy_dtype), lengths)
        return distinct if encoded.indices is None else distinct.take(encoded.indices)

    def _values(self, steps: Ids | Bags | Dense, dtype: type) -> np.ndarray | Ragged:
        if isinstance(steps, Ids):
            return self.slot.rows_of(steps.ids.numpy()).astype(dtype)
        if isinstance(steps, Dense):
            return steps.values.numpy()
        weights = None
        if self.is_weighted:
            weights = np.ones(len(steps.ids), np.float32) if steps.weights is None else steps.weights.numpy()
        lengths = steps.lengths.numpy().astype(np.int32)[:, np.newaxis]
        return Ragged(self.slot.rows_of(steps.ids.numpy()).astype(dtype), lengths, weights)

    @staticmethod
    def tensors(name: str, column: Column) -> dict[str, np.ndarray]:
        """Returns the tensors of a batch."""
        assert isinstance(column, Ragged)
        key, lengths, values = name.removeprefix("steps_"), column.lengths[:, 0], column.values
        rows = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        result = {f"step_rows_{key}": rows, f"step_lengths_{key}": np.ascontiguousarray(lengths)}
        if not isinstance(values, Ragged):
            return {**result, f"step_{'values' if values.ndim == 2 else 'ids'}_{key}": values}
        result[f"item_ids_{key}"] = np.asarray(values.values)
        result[f"item_steps_{key}"] = np.repeat(np.arange(len(values), dtype=np.int32), values.lengths[:, 0])
        return result if values.weights is None else {**result, f"item_weights_{key}": values.weights}

    def packed_forms(self) -> list[PackedForm]:
        """Returns `<history>_lengths` and `_ids`, `_values`, or `_item_ids` and `_item_weights`."""
        row = "row of the feature's table"
        if self.of is Ids:
            data = [PackedForm(self._data, tf.int64, (ROWS, STEPS, FEATURES), row, padding=-1)]
        elif self.of is Dense:
            axes = (ROWS, STEPS, NUMBERS)
            data = [PackedForm(self._data, tf.float32, axes, "number as the network reads it, scaled", padding=0.0)]
        else:
            of_items, weight = (ROWS, STEPS, ITEMS, FEATURES), "weight of the id at this place, the combiner in it"
            data = [
                PackedForm(self._data, tf.int64, of_items, row, padding=-1),
                PackedForm(self._weights, tf.float32, of_items, weight, padding=0.0, of=self._data, is_weight=True),
            ]
        meaning = "how many steps of the row there are; those behind them are padding"
        return [*data, PackedForm(self._lengths, tf.int64, (ROWS,), meaning, of=self._data, is_length=True)]

    def packed_size(self, slot: Slot) -> int:
        """Returns the numbers of a step, or 1 for its ids."""
        return self.width if self.of is Dense else 1

    def packed(
        self, pieces_: Mapping[str, Piece], slots: Sequence[Slot], names: Collection[str]
    ) -> dict[str, tf.Tensor]:
        """Returns the steps of each row, padded to the longest one."""
        sequence = expect(pieces_[self.slot.feature], pieces.Sequence)
        steps, lengths = sequence.steps, sequence.lengths
        size = longest([lengths])
        result = {self._lengths: lengths} if self._lengths in names else {}
        if isinstance(steps, Dense):
            return {**result, self._data: padded([(steps.values, 0.0)], [lengths], [size])[0]}
        if isinstance(steps, Ids):
            return {**result, self._data: padded([(steps.ids, -1)], [lengths], [size])[0][..., tf.newaxis]}
        several: list[tuple[tf.Tensor, int | float]] = [(steps.ids, -1)]
        if self._weights in names:
            several.append((weights_of(steps), 0.0))
        made = padded(several, [lengths, steps.lengths], [size, longest([steps.lengths])])
        return {**result, **{name: one[..., tf.newaxis] for name, one in zip((self._data, self._weights), made)}}

    def served_vectors(self, parts: Tensors, table: ServedTable | None) -> dict[str, tf.Tensor]:
        """Returns the vectors `[n, longest, width]`, and the lengths: a `Rectangle`."""
        data = parts[self._data]
        if self.of is Ids:
            assert table is not None, "ids have a table"
            data = table.take(served_rows(data, self.slots, axis=2)[..., 0])
        elif self.of is Bags:
            rows, weights = served_rows(data, self.slots, axis=3)[..., 0], parts.get(self._weights)
            data = served_sums(table, rows, None if weights is None else weights[..., 0])
        # Layers compare them with sizes of tensors, which live on the CPU.
        with tf.device("/CPU:0"):
            lengths = tf.cast(parts[self._lengths], tf.int32)
        return {self.name: data, f"step_lengths_{self.key}": lengths}

    def served_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `served_vectors`."""
        return {
            self.name: tf.TensorSpec([None, None, self.width], tf.float32),
            f"step_lengths_{self.key}": tf.TensorSpec([None], tf.int32),
        }

    @property
    def _data(self) -> str:
        return f"{self.history}_{'ids' if self.of is Ids else 'values' if self.of is Dense else 'item_ids'}"

    @property
    def _weights(self) -> str:
        return f"{self.history}_item_weights"

    @property
    def _lengths(self) -> str:
        return f"{self.history}_lengths"

    def ids(self, batch: Tensors) -> tf.Tensor | None:
        """Returns the ids of all steps, or of all items of all steps."""
        if self.of is Dense:
            return None
        return batch[f"{'step' if self.of is Ids else 'item'}_ids_{self.key}"]

    def vectors(self, batch: Tensors, rows: tf.Tensor | None, positions: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Returns the vectors of the steps, and where they stand."""
        of_steps, lengths = batch[f"step_rows_{self.key}"], batch[f"step_lengths_{self.key}"]
        if self.of is Dense:
            flat = batch[f"step_values_{self.key}"]
        elif self.of is Ids:
            flat = take_rows(rows, positions)
        else:
            weights = batch.get(f"item_weights_{self.key}")
            ones = tf.ones(tf.shape(positions)) if weights is None else weights
            flat = sum_rows(rows, ones, batch[f"item_steps_{self.key}"], positions, tf.size(of_steps))
        flat = tf.ensure_shape(flat, [None, self.width])
        return {self.name: flat, f"step_rows_{self.key}": of_steps, f"step_lengths_{self.key}": lengths}

    def vector_specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the specs of `vectors`."""
        whole = tf.TensorSpec([None], tf.int32)
        flat = tf.TensorSpec([None, self.width], tf.float32)
        return {self.name: flat, f"step_rows_{self.key}": whole, f"step_lengths_{self.key}": whole}

    def made_up(self, batch_size: int, seed: int, num_steps: int) -> dict[str, tf.Tensor]:
        """Returns random `vectors` of so many rows, each with the same number of steps."""
        rows = tf.repeat(tf.range(batch_size), num_steps)
        flat = tf.random.stateless_normal([batch_size * num_steps, self.width], [0, seed])
        lengths = tf.fill([batch_size], num_steps)
        return {self.name: flat, f"step_rows_{self.key}": rows, f"step_lengths_{self.key}": lengths}

    def steps(self, vectors: Tensors) -> Steps:
        """Returns the history, in the layout that its vectors have."""
        values, lengths = vectors[self.name], vectors[f"step_lengths_{self.key}"]
        if len(values.shape) == 3:
            return Rectangle(values, lengths)
        return Segments(values, vectors[f"step_rows_{self.key}"], lengths)

    def split(self, vectors: Tensors, runs: Sequence[Sequence[Slot]]) -> list[tf.Tensor]:
        """Has no meaning: a history is no vector of a row."""
        raise AssertionError(f"{self.slot.feature} is a history")

    def keys(self, column: Column, slot: Slot) -> np.ndarray:
        """Returns the ids of all steps, or of their items."""
        assert isinstance(column, Ragged)
        values = column.values
        return np.asarray(values.values if isinstance(values, Ragged) else values)

    def with_rows(self, column: Column, rows: Mapping[str, np.ndarray], dtype: type) -> Ragged:
        """Returns rows in the place of keys; an item without a name has row 0."""
        assert isinstance(column, Ragged)
        values, offset = column.values, self.slot.offset
        own: np.ndarray = rows[self.slot.feature].astype(dtype)
        if isinstance(values, Ragged):
            return Ragged(
                Ragged(np.maximum(own, 0) + offset, values.lengths, values.weights), column.lengths, column.weights
            )
        return Ragged(np.where(own < 0, -1, own + offset), column.lengths, column.weights)

    def exchanged(self, column: Column, slots: Sequence[Slot], order: np.ndarray) -> Ragged:
        """Returns the histories of other rows, as a whole; there is one feature."""
        assert isinstance(column, Ragged)
        return column.take(order)

    def numbers(self, column: Column, slot: Slot) -> Numbers | None:
        """Returns the numbers of all steps, or the weights of their items."""
        assert isinstance(column, Ragged)
        values = column.values
        if isinstance(values, Ragged):
            return None if values.weights is None else Numbers(values.weights, False)
        return Numbers(values, False) if self.of is Dense else None

    def arrays(self, column: Column, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
        """Yields lists of ids, of numbers, or of lists of ids."""
        assert isinstance(column, Ragged)
        values, starts = column.values, column.starts.astype(np.int32)
        if isinstance(values, Ragged):
            items = pa.ListArray.from_arrays(values.starts.astype(np.int32), own_rows(np.asarray(values.values), slot))
            yield "", pa.ListArray.from_arrays(starts, items)
        elif self.of is Dense:
            yield "", pa.ListArray.from_arrays(starts, pa.array(values[:, 0] if self.width == 1 else list(values)))
        else:
            yield "", pa.ListArray.from_arrays(starts, own_rows(values, slot))
