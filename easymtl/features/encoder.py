"""The encoder: Arrow record batches to packed rows, each transform run once per distinct value."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.data.blocks import Value
from easymtl.data.rows import Ragged, Rows
from easymtl.errors import quoted
from easymtl.features.columns import read_column
from easymtl.features.encoded import Encoded, pack_dense, pack_distinct_bags, pack_ids, take_rows
from easymtl.features.feature_set import FeatureSet
from easymtl.features.keys import read_keys
from easymtl.features.numbers import NumberColumn, read_numbers
from easymtl.features.oddities import describe_unknown
from easymtl.features.packing import expand_bags
from easymtl.features.pieces import Piece
from easymtl.features.traced import traced_transforms

KEEP_PREFIX = "keep_"

_NOT_A_NUMBER = "could not correctly convert string: "


class Encoder:
    """Turns record batches into `Rows`; may be called from several threads at once.

    Attributes:
        counts: feature -> kind of oddity ("missing", "unknown", "out_of_range", ...) -> rows seen so far; for tags,
            tags seen so far. "missing" is an empty value or NaN; "unpaired" a tag without a weight or the
            reverse; "surplus" a number beyond `raw_input_dim`; "not_finite" what scaling made of a number.
    """

    def __init__(
        self,
        feature_set: FeatureSet,
        number_columns: Sequence[NumberColumn] = (),
        keep: Sequence[str] = (),
        key_fields: Sequence[str] = (),
    ):
        """Prepares the functions of each column.

        Args:
            feature_set: what to encode.
            number_columns: columns of `numbers`.
            keep: fields to hand on as they are, under "keep_<field>".
            key_fields: columns of `keys`: fields that tell sessions apart, for losses that compare rows of one.
        """
        self.feature_set = feature_set
        self.number_columns = tuple(number_columns)
        self.keep = tuple(keep)
        self.key_fields = tuple(key_fields)
        self.counts: dict[str, dict[str, int]] = {}
        self._num_known: dict[str, int] = {}
        self._lock = threading.Lock()
        self._traced = traced_transforms(feature_set)

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold, each once."""
        numbers = [column.field for column in self.number_columns]
        return list(dict.fromkeys([*self.feature_set.fields, *numbers, *self.key_fields, *self.keep]))

    def warnings(self) -> list[str]:
        """Returns a sentence for each feature of which not one value so far had a row of its own."""
        with self._lock:
            nothing_known = {name: self.counts[name] for name, number in self._num_known.items() if not number}
        return describe_unknown(nothing_known)

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        """Returns the rows of a batch: `ids_<width>`, `bags_<width>`, `dense`, `numbers`, `keys` and the kept columns.

        Raises:
            BadValues: a text that must be a number is none, or the weight of a tag is not finite.
        """
        # Distinct values are few and most of them text: a GPU would only add copies.
        with tf.device("/CPU:0"):
            features = self._encode(batch)
        columns = self._pack(features, batch.num_rows)
        if self.number_columns:
            columns["numbers"] = read_numbers(batch, self.number_columns)
        if self.key_fields:
            columns["keys"] = read_keys(batch, self.key_fields)
        for field in self.keep:
            columns[KEEP_PREFIX + field] = batch.column(field)
        return Rows(columns)

    def _encode(self, batch: pa.RecordBatch) -> dict[str, Encoded]:
        """Returns every feature of a batch and counts what is odd."""
        inputs: dict[tuple[str, int], Encoded] = {}
        totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for field, uses in self._traced.uses.items():
            column = read_column(batch.column(field))
            pieces = self._pieces(field, column.values)
            repeats = column.counts()
            for (name, position), piece in zip(uses, pieces):
                inputs[name, position] = Encoded(piece, column.indices)
                if name not in self._traced.per_row:
                    _add_counts(totals[name], piece, repeats)
                totals[name]["missing"] += column.num_nulls
        features = {}
        for name, transform in self.feature_set.transforms.items():
            encoded = inputs[name, 0]
            if name in self._traced.per_row:
                rows = [take_rows(inputs[name, position]) for position in range(len(transform.inputs))]
                encoded = Encoded(self._traced.per_row[name](rows), None)
                _add_counts(totals[name], encoded.piece, None)
            features[name] = encoded
        self._count(totals)
        return features

    def _pieces(self, field: str, values: tf.Tensor) -> list[Piece]:
        """Returns the pieces of values `[d]` of a field for all features that read it."""
        function = self._traced.per_value[field]
        try:
            return function(values)
        except tf.errors.InvalidArgumentError as error:
            if _NOT_A_NUMBER not in error.message:
                raise
        bad = _failing(function, values)
        first = next(bad)
        shown = str(first) if len(str(first)) <= 60 else f"{str(first)[:57]}..."
        features = quoted(name for name, _ in self._traced.uses[field])
        raise BadValues(
            field,
            first,
            bad,
            f'field "{field}" of {features} holds "{shown}", which cannot be read '
            "as a number (num_buckets takes whole ones, RawFeature decimal ones, weights finite ones; hash_bucket_size "
            "takes any text).",
        )

    def _pack(self, features: dict[str, Encoded], num_rows: int) -> dict[str, np.ndarray | Ragged]:
        layout = self.feature_set.layout
        columns: dict[str, np.ndarray | Ragged] = {}
        for width in layout.rows_by_width:
            dtype = self.feature_set.id_type(width).as_numpy_dtype
            slots = layout.all_slots("id", width)
            if slots:
                columns[f"ids_{width}"] = pack_ids(slots, features, num_rows, dtype)
            slots = layout.all_slots("bag", width)
            if slots:
                is_weighted = width in layout.weighted_widths
                columns[f"bags_{width}"] = pack_distinct_bags(slots, features, num_rows, dtype, is_weighted)
        slots = layout.all_slots("dense")
        if slots:
            columns["dense"] = pack_dense(slots, features)
        return columns

    def _count(self, totals: dict[str, dict[str, int]]) -> None:
        with self._lock:
            for name, kinds in totals.items():
                if "known" in kinds:
                    self._num_known[name] = self._num_known.get(name, 0) + kinds.pop("known")
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


def _failing(function: Callable, values: tf.Tensor) -> Iterator[Value]:
    """Yields the values that a function of values fails on, found by halving."""
    try:
        function(values)
        return
    except tf.errors.InvalidArgumentError:
        if len(values) == 1:
            value = values[0].numpy()
            yield value.decode("utf-8", "replace") if isinstance(value, bytes) else value.item()
            return
    middle = len(values) // 2
    yield from _failing(function, values[:middle])
    yield from _failing(function, values[middle:])


def _add_counts(totals: dict[str, int], piece: Piece, repeats: np.ndarray | None) -> None:
    for kind, flags in piece.counts.items():
        numbers = flags.numpy()
        totals[kind] += int(numbers.sum() if repeats is None else numbers @ repeats)
