"""The encoder: Arrow record batches to packed rows, each transform run once per distinct value."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import Ragged, Rows
from easymtl.errors import UserError, quoted
from easymtl.features.columns import read_column
from easymtl.features.feature_set import FeatureSet
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.features.packing import expand_bags
from easymtl.features.pieces import Bags, Dense, Ids, Piece, Text
from easymtl.features.tables import Slot

KEEP_PREFIX = "keep_"

_NOT_A_NUMBER = re.compile(r"could not correctly convert string: (.*?)\s+\[(?:\[|Op:)", re.DOTALL)


class Encoded(NamedTuple):
    """A feature of a batch as pieces of distinct values.

    Attributes:
        piece: of values `[d]`.
        indices: `[n]`, the value of each row; None when the piece has one entry per row.
    """

    piece: Piece
    indices: np.ndarray | None


class Encoder:
    """Turns record batches into `Rows`; may be called from several threads at once.

    Attributes:
        counts: feature -> kind of oddity ("missing", "unknown", "out_of_range", ...) -> rows seen so far; for tags,
            tags seen so far. "missing" is an empty value or NaN; "unpaired" a tag without a weight or the
            reverse; "surplus" a number beyond `raw_input_dim`; "not_finite" what scaling made of a number.
    """

    def __init__(self, feature_set: FeatureSet, number_columns: Sequence[NumberColumn] = (), keep: Sequence[str] = ()):
        """Prepares the functions of each column.

        Args:
            feature_set: what to encode.
            number_columns: columns of `numbers`.
            keep: fields to hand on as they are, under "keep_<field>".
        """
        self.feature_set = feature_set
        self.number_columns = tuple(number_columns)
        self.keep = tuple(keep)
        self.counts: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()
        self._uses = _uses(feature_set)
        self._per_value = {field: self._value_function(field) for field in feature_set.fields}
        multiple = [name for name, transform in feature_set.transforms.items() if len(transform.inputs) > 1]
        self._per_row = {name: self._row_function(name) for name in multiple}

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold, each once."""
        numbers = [column.field for column in self.number_columns]
        return list(dict.fromkeys([*self.feature_set.fields, *numbers, *self.keep]))

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch: `ids_<width>`, `bags_<width>`, `dense`, `numbers` and the kept columns.

        Raises:
            UserError: a value that must be a number is none.
        """
        # Distinct values are few and most of them text: a GPU would only add copies.
        with tf.device("/CPU:0"):
            features = self._encode(batch)
        columns = self._pack(features, batch.num_rows)
        if self.number_columns:
            columns["numbers"] = read_numbers(batch, self.number_columns)
        for field in self.keep:
            columns[KEEP_PREFIX + field] = batch.column(field)
        return Rows(columns)

    def _value_function(self, field: str) -> Callable[[tf.Tensor], list[Piece]]:
        """Returns the function from values `[d]` of a field to the pieces of all features that read it."""
        uses = [(self.feature_set.transforms[name], position) for name, position in self._uses[field]]

        def per_value(column: tf.Tensor) -> list[Piece]:
            return [transform.per_value(position, column) for transform, position in uses]

        signature = [tf.TensorSpec([None], self.feature_set.field_types[field])]
        # Concrete: traced once, here, and then called by any thread.
        return tf.function(per_value, autograph=False).get_concrete_function(*signature)

    def _row_function(self, name: str) -> Callable[[list[Piece]], Piece]:
        """Returns the function from the pieces of rows of all inputs of a feature to the feature."""
        transform = self.feature_set.transforms[name]
        made = [
            self._per_value[field].structured_outputs[self._uses[field].index((name, position))]
            for position, field in enumerate(transform.inputs)
        ]
        signature = tf.nest.map_structure(lambda piece: None if piece is None else _rows_like(piece), made)
        return tf.function(transform.per_row, autograph=False).get_concrete_function(signature)

    def _encode(self, batch: pa.RecordBatch) -> dict[str, Encoded]:
        """Returns every feature of a batch and counts what is odd."""
        inputs: dict[tuple[str, int], Encoded] = {}
        totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for field, uses in self._uses.items():
            column = read_column(batch.column(field))
            pieces = _run(self._per_value[field], column.values, f'field "{field}" of {quoted(n for n, _ in uses)}')
            repeats = column.counts()
            for (name, position), piece in zip(uses, pieces):
                inputs[name, position] = Encoded(piece, column.indices)
                if name not in self._per_row:
                    _add_counts(totals[name], piece, repeats)
                totals[name]["missing"] += column.num_nulls
        features = {}
        for name, transform in self.feature_set.transforms.items():
            encoded = inputs[name, 0]
            if name in self._per_row:
                rows = [_take(inputs[name, position]) for position in range(len(transform.inputs))]
                encoded = Encoded(_run(self._per_row[name], rows, f'feature "{name}"'), None)
                _add_counts(totals[name], encoded.piece, None)
            features[name] = encoded
        self._count(totals)
        return features

    def _pack(self, features: dict[str, Encoded], num_rows: int) -> dict[str, np.ndarray | Ragged]:
        layout = self.feature_set.layout
        columns: dict[str, np.ndarray | Ragged] = {}
        for width in layout.rows_by_width:
            dtype = self.feature_set.id_type(width).as_numpy_dtype
            slots = layout.all_slots("id", width)
            if slots:
                columns[f"ids_{width}"] = _pack_ids(slots, features, num_rows, dtype)
            slots = layout.all_slots("bag", width)
            if slots:
                is_weighted = width in layout.weighted_widths
                columns[f"bags_{width}"] = _pack_bags(slots, features, num_rows, dtype, is_weighted)
        slots = layout.all_slots("dense")
        if slots:
            values = [_rows_of(features[slot.feature].piece.values, features[slot.feature].indices) for slot in slots]
            columns["dense"] = np.concatenate(values, axis=1)
        return columns

    def _count(self, totals: dict[str, dict[str, int]]) -> None:
        with self._lock:
            for name, kinds in totals.items():
                counts = self.counts.setdefault(name, {})
                for kind, number in kinds.items():
                    counts[kind] = counts.get(kind, 0) + number


def to_tensors(rows: Rows) -> dict[str, np.ndarray]:
    """Returns what a step is fed: the arrays of rows, bags as ids, segments and weights, and the scalar `batch_size`.

    Kept columns are left out.
    """
    tensors: dict[str, np.ndarray] = {"batch_size": np.array(rows.num_rows, np.int32)}
    for name, column in rows.columns.items():
        if isinstance(column, Ragged):
            width = name.removeprefix("bags_")
            ids, segments, weights = expand_bags(column)
            tensors[f"bag_ids_{width}"] = ids
            tensors[f"bag_segments_{width}"] = segments
            if weights is not None:
                tensors[f"bag_weights_{width}"] = weights
        elif not name.startswith(KEEP_PREFIX):
            tensors[name] = column
    return tensors


def _uses(feature_set: FeatureSet) -> dict[str, list[tuple[str, int]]]:
    """Returns for each field the (feature, input position) pairs that read it."""
    uses: dict[str, list[tuple[str, int]]] = {field: [] for field in feature_set.fields}
    for name, transform in feature_set.transforms.items():
        for position, field in enumerate(transform.inputs):
            uses[field].append((name, position))
    return uses


def _rows_like(tensor: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None], tensor.dtype)


def _run(function: Callable, argument: Any, where: str) -> Any:
    try:
        return function(argument)
    except tf.errors.InvalidArgumentError as error:
        match = _NOT_A_NUMBER.search(error.message)
        if not match:
            raise
        raise UserError(
            f'{where}: "{match[1]}" cannot be read as a number (num_buckets takes whole ones, RawFeature and weights '
            "decimal ones). Correct the data, or use hash_bucket_size for what is text."
        ) from error


def _add_counts(totals: dict[str, int], piece: Piece, repeats: np.ndarray | None) -> None:
    for kind, flags in piece.counts.items():
        numbers = flags.numpy()
        totals[kind] += int(numbers.sum() if repeats is None else numbers @ repeats)


def _rows_of(values: tf.Tensor, indices: np.ndarray | None) -> np.ndarray:
    return values.numpy() if indices is None else values.numpy().take(indices, axis=0)


def _take(encoded: Encoded) -> Piece:
    """Returns a piece with one entry per row."""
    piece, indices = encoded
    if indices is None:
        return piece
    counts = {kind: tf.gather(flags, indices) for kind, flags in piece.counts.items()}
    if isinstance(piece, Ids):
        return Ids(tf.gather(piece.ids, indices), counts)
    if isinstance(piece, Text):
        return Text(tf.gather(piece.text, indices), counts)
    if isinstance(piece, Dense):
        return Dense(tf.gather(piece.values, indices), counts)
    lengths = piece.lengths.numpy()
    positions = _positions((np.cumsum(lengths) - lengths)[indices], lengths[indices])
    weights = None if piece.weights is None else tf.gather(piece.weights, positions)
    return Bags(tf.gather(piece.ids, positions), tf.constant(lengths[indices]), weights, counts)


def _positions(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns start, start + 1, ... of every run, one behind the other."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def _pack_ids(slots: list[Slot], features: dict[str, Encoded], num_rows: int, dtype: type) -> np.ndarray:
    """Returns `[n, K]` rows in the width's variable."""
    packed = np.empty((len(slots), num_rows), dtype)
    for place, slot in enumerate(slots):
        piece, indices = features[slot.feature]
        ids = piece.ids.numpy()
        ids = np.where(ids < 0, -1, ids + slot.table.offset).astype(dtype)
        if indices is None:
            packed[place] = ids
        else:
            # The default mode of take would buffer its output.
            np.take(ids, indices, out=packed[place], mode="clip")
    return np.ascontiguousarray(packed.T)


def _pack_bags(
    slots: list[Slot], features: dict[str, Encoded], num_rows: int, dtype: type, is_weighted: bool
) -> Ragged:
    """Returns K bags per row, taken from the pool of the distinct values' bags."""
    starts = np.empty((num_rows, len(slots)), np.int64)
    lengths = np.empty((num_rows, len(slots)), np.int32)
    ids, weights, pool_size = [], [], 0
    for place, slot in enumerate(slots):
        piece, indices = features[slot.feature]
        piece_lengths = piece.lengths.numpy()
        firsts = pool_size + np.cumsum(piece_lengths) - piece_lengths
        starts[:, place] = firsts if indices is None else firsts[indices]
        lengths[:, place] = piece_lengths if indices is None else piece_lengths[indices]
        ids.append((piece.ids.numpy() + slot.table.offset).astype(dtype))
        pool_size += len(ids[-1])
        if is_weighted:
            ones = piece.weights is None
            weights.append(np.ones(len(ids[-1]), np.float32) if ones else piece.weights.numpy())
    positions = _positions(starts.reshape(-1), lengths.reshape(-1))
    taken = np.concatenate(weights)[positions] if is_weighted else None
    return Ragged(np.concatenate(ids)[positions], lengths, taken)
