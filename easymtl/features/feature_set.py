"""All features of a pipeline: their fields, tables and slots, and the way from raw columns to packed requests."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa
import tensorflow as tf

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.config.parallel_histories import parallel_histories
from easymtl.data.convert import default_scalar, serving_scalar
from easymtl.data.fields import Field, input_fields
from easymtl.errors import UserError, did_you_mean
from easymtl.features.declarations import declared_features, find_feature
from easymtl.features.declared import make_plain, make_transform
from easymtl.features.growing.growing_tables import GrowingTables
from easymtl.features.growing.served_ids import ServedIds
from easymtl.features.lookups import fill_missing
from easymtl.features.packing import Packing
from easymtl.features.parallel import require_parallel
from easymtl.features.pieces import Piece, repeated
from easymtl.features.sequence_feature import SequenceFeature
from easymtl.features.served import require_servable
from easymtl.features.tables import GroupSlots, Layout, Slot, Table
from easymtl.features.together import Inputs, Together, kinds_together
from easymtl.features.transform import Transform
from easymtl.features.words import WordsTogether
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

__all__ = ["FeatureSet", "Slot", "Table"]

TENSOR_TYPES = {
    pa.int32(): tf.int32,
    pa.int64(): tf.int64,
    pa.string(): tf.string,
    pa.float32(): tf.float32,
    pa.float64(): tf.float64,
    pa.bool_(): tf.bool,
}


class FeatureSet(tf.Module):
    """The features that the groups of a pipeline use.

    Example:
        features = FeatureSet(pipeline)
        packed = features.packed({"user_id": tf.constant(["a", "b"]), ...})
        packed["ids"]  # [2, number of features of one value]

    Attributes:
        constants: the `serving_value` of each field that has one.
    """

    def __init__(self, pipeline: Pipeline, owners: Peers = ONE):
        """Reads the features and groups of a config.

        Args:
            pipeline: the config.
            owners: the workers that the ids of growing tables are dealt out to.

        Raises:
            UserError: a declaration does not hold; the message names the feature.
        """
        super().__init__()
        declared = declared_features(pipeline)
        layout, transforms = Layout(), {}
        fields = input_fields(pipeline.data_config)
        types: dict[str, tf.DType] = {}
        self.input_groups = {group.name: group for group in input_groups(pipeline)}
        for group in self.input_groups.values():
            layout.groups.setdefault(group.name, GroupSlots())
            names = view.group_feature_names(group.config)
            attention = view.attention_feature_names(group.config)
            made: dict[str, Transform] = {}
            for name in [*names, *attention]:
                feature = group.feature(find_feature(declared, name, group.config.group_name))
                own_name = view.feature_name(feature)
                if own_name not in transforms:
                    inputs = _input_fields(feature, fields)
                    names_of_types = [one.type_name for one in inputs]
                    make = make_plain if group.is_plain else make_transform
                    transforms[own_name] = make(feature, names_of_types)
                    types |= {one.name: TENSOR_TYPES[one.type] for one in inputs}
                made[name] = transforms[own_name]
            for name in names:
                layout.add(group.name, made[name])
            for name in attention:
                slot = layout.add(group.name, made[name], is_attention=True)
                slot.columns.is_regularized = name not in view.further_history_names(group.config)
        self.transforms: dict[str, Transform] = transforms
        self._layout = layout
        self._types = types
        self._defaults = _defaults([fields[name] for name in types])
        scalars = {name: serving_scalar(fields[name]) for name in types}
        self.constants: dict[str, pa.Scalar] = {name: one for name, one in scalars.items() if one is not None}
        require_servable(pipeline, types, self.constants)
        self.parallel = parallel_histories(pipeline)
        for name in {name for names in self.parallel for name in names}:
            transform = self.transforms[name]
            assert isinstance(transform, SequenceFeature)
            transform.is_side_by_side = True
        layout.name_histories(self.parallel)
        self._packing = Packing(layout.columns.values())
        self._growing = GrowingTables(layout, transforms, owners)
        self._served_ids: dict[str, ServedIds] = {}
        self._words: dict[str, WordsTogether] = {}

    @property
    def layout(self) -> Layout:
        """Returns the packed layout."""
        return self._layout

    @property
    def growing(self) -> GrowingTables:
        """Returns which rows of growing tables belong to which ids."""
        return self._growing

    @property
    def packing(self) -> Packing:
        """Returns the form of packed requests."""
        return self._packing

    @property
    def fields(self) -> list[str]:
        """Returns the names of the input fields that the features read, each once."""
        return list(self._types)

    @property
    def request_fields(self) -> list[str]:
        """Returns those of the fields whose values come with the rows that are scored: all without `serving_value`."""
        return [name for name in self._types if name not in self.constants]

    @property
    def field_types(self) -> dict[str, tf.DType]:
        """Returns the type of each of the fields."""
        return dict(self._types)

    @property
    def defaults(self) -> dict[str, str | float]:
        """Returns what `filled` puts in place of a missing value, by field, where there is something."""
        return dict(self._defaults)

    @property
    def groups(self) -> dict[str, GroupSlots]:
        """Returns the slots of each group, in the order of the config."""
        return self._layout.groups

    @property
    def slots(self) -> list[Slot]:
        """Returns the slots of all groups."""
        return [slot for slots in self.groups.values() for slot in slots.all]

    @property
    def tables(self) -> list[Table]:
        """Returns all tables."""
        return self._layout.tables

    @property
    def rows_by_width(self) -> dict[int, int]:
        """Returns the rows of the variable of each width."""
        return self._layout.rows_by_width

    def with_constants(self, columns: Mapping[str, tf.Tensor], of_all: Collection[str] = ()) -> dict[str, tf.Tensor]:
        """Returns columns `[n]` with the `serving_value` of each field that is not among them and has one.

        Args:
            columns: some of `fields`.
            of_all: those whose column is `[1]`, whatever n is.
        """
        num_rows = _num_rows(columns, of_all)
        absent = {field: value for field, value in self.constants.items() if field not in columns}
        made = {
            field: tf.fill([num_rows], tf.constant(value.as_py(), self._types[field]))
            for field, value in absent.items()
        }
        return {**columns, **made}

    def filled(self, field: str, column: tf.Tensor) -> tf.Tensor:
        """Returns the values `[n]` of a field with its `default_val` in place of '' and NaN, as the reader fills them.

        Whatever reads a column goes through here, in training and in the exported graph. An integer or boolean has no
        value that says that it is missing: the reader fills in their defaults, and so does whoever sends a request.
        """
        return fill_missing(column, self._defaults.get(field))

    def packed(self, columns: Mapping[str, tf.Tensor], of_all: Collection[str] = ()) -> dict[str, tf.Tensor]:
        """Turns raw columns into a packed request, see `easymtl.features.packing`.

        Args:
            columns: each of `fields`, `[n]`, of its declared type; a missing text is '', a missing number NaN where
                there is a `default_val` and else 0.
            of_all: the fields whose column is `[1]`: one value, which all rows have.
        """
        columns = self.with_constants(columns, of_all)
        together = self._together(columns, of_all)
        done = {name for one in together for name in one.features}
        pieces = self._pieces([name for name in self.transforms if name not in done], columns, of_all)
        packed = self._packing.pack(pieces, together)
        checks = require_parallel(pieces, self.parallel)
        if not checks:
            return packed
        with tf.control_dependencies(checks):
            # Also what is not computed of histories has to wait.
            return {name: tf.identity(tensor) for name, tensor in packed.items()}

    def _together(self, columns: Mapping[str, tf.Tensor], of_all: Collection[str]) -> list[Together]:
        """Returns the features of one value that are made together of columns `[n]`, those in `of_all` repeated."""
        inputs = Inputs(columns, self._defaults, self._words_of)
        made = []
        for make, names in kinds_together(self.transforms, self._types, of_all):
            transforms = [self.transforms[name] for name in names]
            values = make(transforms, inputs)
            if transforms[0].inputs[0] in of_all:
                num_rows = _num_rows(columns, of_all)
                values = {name: _repeated(value, num_rows) for name, value in values.items()}
            made.append(Together(names, values))
        return made

    def _pieces(
        self, names: Iterable[str], columns: Mapping[str, tf.Tensor], of_all: Collection[str]
    ) -> dict[str, Piece]:
        """Returns features of rows, of raw columns.

        What is made of fields that have one value for all rows is made once and repeated; where a feature reads such
        fields and others, what it makes of each of these values.

        Args:
            names: of the features.
            columns: each of `fields`, as `packed` takes them.
            of_all: the fields whose column is `[1]`.
        """
        pieces: dict[str, Piece] = {}
        num_rows = _num_rows(columns, of_all)
        for name in names:
            transform = self.transforms[name]
            made = [
                transform.per_value(place, self.filled(field, columns[field]))
                for place, field in enumerate(transform.inputs)
            ]
            is_of_all = set(transform.inputs) <= set(of_all)
            if not is_of_all:
                made = [
                    repeated(piece, num_rows) if field in of_all else piece
                    for field, piece in zip(transform.inputs, made)
                ]
            piece = transform.per_row(made)
            pieces[name] = self._with_rows(name, repeated(piece, num_rows) if of_all and is_of_all else piece)
        return pieces

    def _words_of(self, features: Sequence[Transform]) -> WordsTogether:
        """Returns the vocabularies of features as one table."""
        key = str([one.feature_name for one in features])
        if key not in self._words:
            with tf.init_scope(), tf.device("/CPU:0"):
                words = WordsTogether([list(one.feature.vocab_list) for one in features])
                self._words = {**self._words, key: words}
        return self._words[key]

    def _with_rows(self, feature: str, piece: Piece) -> Piece:
        """Returns a piece with rows in the place of keys, by the ids that have rows now."""
        name = self._growing.ids_of.get(feature)
        if name is None:
            return piece
        ids = self._growing.ids[name]
        if name not in self._served_ids or self._served_ids[name].version != ids.version:
            with tf.init_scope(), tf.device("/CPU:0"):
                self._served_ids = {**self._served_ids, name: ServedIds(name, ids)}
        return self._served_ids[name].with_rows(piece)


def _repeated(value: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
    return tf.tile(value, [num_rows, *[1] * (len(value.shape) - 1)])


def _num_rows(columns: Mapping[str, tf.Tensor], of_all: Collection[str] = ()) -> tf.Tensor:
    return tf.shape(next((column for field, column in columns.items() if field not in of_all), [0]))[0]


def _input_fields(feature: FeatureConfig, declared: Mapping[str, Field]) -> list[Field]:
    """Returns the fields that a feature reads."""
    for name in feature.input_names:
        if name not in declared:
            raise UserError(
                f'feature "{view.feature_name(feature)}": input "{name}" is not in data_config.input_fields.'
                + did_you_mean(name, declared)
            )
    return [declared[name] for name in feature.input_names]


def _defaults(fields: Sequence[Field]) -> dict[str, str | float]:
    """Returns the defaults of the fields whose type has a value that says that it is missing."""
    with_missing = [field for field in fields if field.type == pa.string() or pa.types.is_floating(field.type)]
    scalars = {field.name: default_scalar(field) for field in with_missing}
    return {name: scalar.as_py() for name, scalar in scalars.items() if scalar is not None}
