"""The encoder: Arrow record batches to packed rows, each transform run once per distinct value."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.rows import TOLD, Column, Rows
from easymtl.features.column_pieces import pieces_of_columns
from easymtl.features.encoded import Encoded, take_rows
from easymtl.features.feature_set import FeatureSet
from easymtl.features.growing.unseen import UNSEEN, num_unseen
from easymtl.features.keys import read_keys
from easymtl.features.kinds import KINDS
from easymtl.features.numbers import Known, NumberColumn, read_numbers
from easymtl.features.oddities import describe_unknown
from easymtl.features.parallel import require_parallel_rows, text_of_row
from easymtl.features.served import constant_column
from easymtl.features.tally import ODDITIES, Codes, Found, pack_oddities
from easymtl.features.traced import traced_transforms
from easymtl.features.transform import Transform

KEEP_PREFIX = "keep_"


class Encoder:
    """Turns record batches into `Rows`; may be called from several threads at once.

    Attributes:
        codes: by which rows tell what is odd in them, see `Tally`.
    """

    def __init__(
        self,
        feature_set: FeatureSet,
        number_columns: Sequence[NumberColumn] = (),
        keep: Sequence[str] = (),
        key_fields: Sequence[str] = (),
        as_served: bool = False,
    ):
        """Prepares the functions of each column.

        Args:
            feature_set: what to encode.
            number_columns: columns of `numbers`.
            keep: fields to hand on as they are, under "keep_<field>".
            key_fields: columns of `keys`: fields that tell sessions apart, for losses that compare rows of one.
            as_served: whether features read the `serving_value` of a field that has one, and not its column.
        """
        self.feature_set = feature_set
        self.number_columns = tuple(number_columns)
        self.keep = tuple(keep)
        self.key_fields = tuple(key_fields)
        self.codes = Codes()
        self._constants = feature_set.constants if as_served else {}
        # In training new ids get rows: there it is told by their map.
        self._is_scoring = as_served
        # The features that look values up, and those of them that have found one; changed one entry at a time.
        self._looks_up: set[str] = set()
        self._has_found: set[str] = set()
        self._traced = traced_transforms(feature_set)

    @property
    def fields(self) -> list[str]:
        """Returns the fields that a batch must hold, each once."""
        numbers = [column.field for column in self.number_columns]
        return list(dict.fromkeys([*self._read_fields, *numbers, *self.key_fields, *self.keep]))

    @property
    def _read_fields(self) -> list[str]:
        return self.feature_set.request_fields if self._constants else self.feature_set.fields

    @property
    def items(self) -> Sequence[str]:
        """Returns the fields whose lists may come as their items: those that features alone read."""
        others = {*(column.field for column in self.number_columns), *self.key_fields, *self.keep}
        return [field for field in self._read_fields if field not in others]

    @property
    def constants(self) -> Mapping[str, pa.Scalar]:
        """Returns what is read in the place of fields that have a `serving_value`: of rows that are scored."""
        return self._constants

    @property
    def is_scoring(self) -> bool:
        """Returns whether rows are encoded as they are scored."""
        return self._is_scoring

    def notes(self) -> dict[str, list[str]]:
        """Returns which features look values up, and which of them have found one so far."""
        return {"looks_up": sorted(self._looks_up), "has_found": sorted(self._has_found)}

    def note(self, notes: Mapping[str, Sequence[str]]) -> None:
        """Takes `notes` over from another encoder, whose rows are used in the place of own ones."""
        self._looks_up.update(notes["looks_up"])
        self._has_found.update(notes["has_found"])

    def warnings(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Returns a sentence for each feature of which not one value so far had a row of its own.

        Args:
            counts: of the rows so far, see `Tally`.
        """
        return describe_unknown({name: counts[name] for name in self._looks_up - self._has_found if name in counts})

    def __call__(self, batch: pa.RecordBatch, known: Known | None = None) -> Rows:
        """Returns the rows of a batch: the packed columns of the features, `numbers`, `keys` and the kept columns.

        A further column tells what is odd in each row.

        Args:
            batch: holds `fields`.
            known: numbers of it that have been read.

        Raises:
            BadValues: a text that must be a number is none, the weight of a tag is not finite, or histories that are
                read side by side have different lengths.
        """
        # Distinct values are few and most of them text: a GPU would only add copies.
        with tf.device("/CPU:0"):
            features, found = self._encode(batch)
        require_parallel_rows(
            partial(self._column, batch), features, self.feature_set.transforms, self.feature_set.parallel
        )
        columns = self._pack(features, batch.num_rows)
        columns[ODDITIES] = pack_oddities(found, batch.num_rows)
        if self.number_columns:
            columns["numbers"] = read_numbers(batch, self.number_columns, known)
        if self.key_fields:
            columns["keys"] = read_keys(batch, self.key_fields)
        for field in self.keep:
            columns[KEEP_PREFIX + field] = batch.column(field)
        return Rows(columns)

    def _encode(self, batch: pa.RecordBatch) -> tuple[dict[str, Encoded], list[Found]]:
        """Returns every feature of a batch, and what is odd in which rows."""
        inputs: dict[tuple[str, int], Encoded] = {}
        found: list[Found] = []
        arrays = {field: self._column(batch, field) for field in self._traced.uses}
        for field, (pieces, indices, num_nulls) in zip(arrays, pieces_of_columns(arrays, self._traced)):
            nulls = [arrays[field].is_null().to_numpy(zero_copy_only=False)] if num_nulls else []
            for (name, position), piece in zip(self._traced.uses[field], pieces):
                encoded = inputs[name, position] = Encoded(piece, indices)
                missing = self.codes.of(name, "missing")
                found += [Found(missing, flags) for flags in nulls]
                if name not in self._traced.per_row:
                    found += self._oddities(name, encoded)
        features, growing = {}, self.feature_set.growing
        for name, transform in self.feature_set.transforms.items():
            encoded = inputs[name, 0]
            if name in self._traced.per_row:
                rows = [take_rows(inputs[name, position]) for position in range(len(transform.inputs))]
                transform.check_rows(rows, partial(self._text_of_row, batch, transform))
                encoded = Encoded(self._traced.per_row[name](rows), None)
                found += self._oddities(name, encoded)
            features[name] = encoded
            # Of ids that are dealt out all workers know together, where rows are looked up.
            if self._is_scoring and name in growing.ids_of and not growing.are_dealt_out:
                found.append(self._unseen(name, encoded))
        return features, found

    def _unseen(self, name: str, encoded: Encoded) -> Found:
        """Returns how many ids of each row have no row in the growing table of a feature."""
        numbers = num_unseen(encoded.piece, self.feature_set.growing.ids[self.feature_set.growing.ids_of[name]])
        return Found(self.codes.of(name, UNSEEN), numbers if encoded.indices is None else numbers[encoded.indices])

    def _column(self, batch: pa.RecordBatch, field: str) -> pa.Array:
        """Returns what features read of a field."""
        constant = self._constants.get(field)
        return batch.column(field) if constant is None else constant_column(constant, batch.num_rows)

    def _text_of_row(self, batch: pa.RecordBatch, transform: Transform, row: int) -> str:
        return text_of_row(self._column(batch, transform.inputs[0]), transform, row)

    def _oddities(self, name: str, encoded: Encoded) -> list[Found]:
        """Returns what is odd in the rows of a feature; hardly any work where nothing is."""
        found = []
        for kind, tensor in encoded.piece.counts.items():
            if kind == "known":
                self._note_known(name, tensor, encoded.indices)
                continue
            code, numbers = self.codes.of(name, kind), tensor.numpy()
            if numbers.any():
                found.append(Found(code, numbers if encoded.indices is None else numbers.take(encoded.indices)))
        return found

    def _note_known(self, name: str, tensor: tf.Tensor, indices: np.ndarray | None) -> None:
        """Notes whether a feature has found a value, which is told of a run and not of each row."""
        self._looks_up.add(name)
        if name not in self._has_found:
            numbers = tensor.numpy()
            if (numbers if indices is None else numbers[indices]).any():
                self._has_found.add(name)

    def _pack(self, features: dict[str, Encoded], num_rows: int) -> dict[str, Column]:
        layout = self.feature_set.layout
        return {
            name: kind.pack(features, num_rows, layout.packed_id_type(kind)) for name, kind in layout.columns.items()
        }


def to_tensors(rows: Rows) -> dict[str, np.ndarray]:
    """Returns what a step is fed: the tensors of the packed columns, `numbers`, `keys` and the scalar `batch_size`.

    Kept columns, and what is told of the rows, are left out.
    """
    tensors: dict[str, np.ndarray] = {"batch_size": np.array(rows.num_rows, np.int32)}
    for name, column in rows.columns.items():
        if name.startswith((KEEP_PREFIX, TOLD)):
            continue
        kind = KINDS.get(name.partition("_")[0])
        tensors |= kind.tensors(name, column) if kind else {name: np.asarray(column)}
    return tensors


def batch_signature(batch: Mapping[str, np.ndarray]) -> dict[str, tf.TensorSpec]:
    """Returns the signature of packed batches like this one, of any number of rows."""
    return {
        name: tf.TensorSpec([None, *array.shape[1:]] if array.ndim else [], array.dtype)
        for name, array in batch.items()
    }
