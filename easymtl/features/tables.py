"""Where every feature of every group finds its vector: its slot in the packed columns and its table."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.config import view
from easymtl.errors import UserError
from easymtl.features import pieces
from easymtl.features.kinds import (
    BagColumns,
    DenseColumns,
    IdColumns,
    PackedColumns,
    PlainColumns,
    Slot,
    StepColumns,
    Table,
)
from easymtl.features.pieces import Bags, Ids
from easymtl.features.plain_feature import PlainFeature
from easymtl.features.sequence_feature import SequenceFeature
from easymtl.features.transform import Transform

__all__ = ["GroupSlots", "Layout", "Slot", "Table"]


@dataclass
class GroupSlots:
    """The features of a group.

    Attributes:
        plain: those that are one vector of a row, in the order of the config.
        sequences: histories that stand among the group's feature_names, in the order of the config.
        attention: what `sequence_features` read and feature_names do not hold: histories, and keys with tables of their
            own; by feature.
        columns: features of which the values are read, without embeddings.
    """

    plain: list[Slot] = field(default_factory=list)
    sequences: list[Slot] = field(default_factory=list)
    attention: dict[str, Slot] = field(default_factory=dict)
    columns: list[Slot] = field(default_factory=list)

    @property
    def all(self) -> list[Slot]:
        """Returns all slots."""
        return [*self.plain, *self.sequences, *self.attention.values(), *self.columns]


@dataclass
class Layout:
    """The packed layout of all groups.

    Attributes:
        groups: the features of each group.
        columns: the packed columns by name, such as `ids_16`, `dense`, `steps_0`.
        tables: in the order of their first use.
        rows_by_width: rows of the one variable of each width.
    """

    groups: dict[str, GroupSlots] = field(default_factory=dict)
    columns: dict[str, PackedColumns] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    rows_by_width: dict[int, int] = field(default_factory=dict)

    def add(self, group: str, transform: Transform, is_attention: bool = False) -> Slot:
        """Adds a feature to a group and returns its slot.

        Raises:
            UserError: it shares a table that has other rows or another width.
        """
        slots = self.groups.setdefault(group, GroupSlots())
        owner = f"{group}/attention/{transform.feature_name}" if is_attention else f"{group}/{transform.feature_name}"
        table = self._table(owner, transform) if transform.num_rows else None
        columns = self._columns(transform)
        slot = Slot(group, transform.feature_name, transform.width, table, columns, columns.num_places)
        columns.slots.append(slot)
        columns.is_weighted |= transform.is_weighted
        if is_attention:
            slots.attention[slot.feature] = slot
        elif isinstance(columns, PlainColumns):
            slots.columns.append(slot)
        elif isinstance(columns, StepColumns):
            slots.sequences.append(slot)
        else:
            slots.plain.append(slot)
        return slot

    @property
    def growing_columns(self) -> list[PackedColumns]:
        """Returns the columns in which some ids are keys."""
        return [columns for columns in self.columns.values() if any(slot.is_growing for slot in columns.slots)]

    def packed_id_type(self, columns: PackedColumns) -> tf.DType:
        """Returns the type of ids as columns are packed with them: int64 where some are keys."""
        return tf.int64 if columns in self.growing_columns else self.id_type(columns.width)

    def id_type(self, width: int) -> tf.DType:
        """Returns int32, or int64 where the variable of a width has 2^31 rows or more."""
        return tf.int64 if self.rows_by_width.get(width, 0) >= 2**31 else tf.int32

    def name_histories(self, parallel: Iterable[Iterable[str]]) -> None:
        """Numbers the histories, those alike that are read side by side: they are packed together.

        Args:
            parallel: features that have to have equal lengths, see `config.parallel_histories`.
        """
        of_feature: dict[str, set[str]] = {}
        for names in map(set, parallel):
            together = names.union(*(of_feature.get(name, ()) for name in names))
            of_feature |= dict.fromkeys(together, together)
        numbers: dict[str, int] = {}
        for columns in self.columns.values():
            if isinstance(columns, StepColumns):
                feature = columns.slot.feature
                first = min(of_feature.get(feature, {feature}))
                columns.history = f"history_{numbers.setdefault(first, len(numbers))}"

    def _columns(self, transform: Transform) -> PackedColumns:
        """Returns the packed columns that a feature goes to."""
        width, made = transform.width, self.columns
        if transform.kind is pieces.Sequence:
            number = sum(isinstance(columns, StepColumns) for columns in made.values())
            assert isinstance(transform, SequenceFeature)
            columns = StepColumns(f"steps_{number}", width, transform.kind_of_steps, transform.most_steps)
            return made.setdefault(columns.name, columns)
        if isinstance(transform, PlainFeature):
            name = f"plain_{sum(isinstance(columns, PlainColumns) for columns in made.values())}"
            return made.setdefault(name, PlainColumns(name, width, transform.dtype))
        if transform.kind is Ids:
            return made.setdefault(f"ids_{width}", IdColumns(f"ids_{width}", width))
        if transform.kind is Bags:
            return made.setdefault(f"bags_{width}", BagColumns(f"bags_{width}", width))
        return made.setdefault("dense", DenseColumns("dense", 0))

    def _table(self, owner: str, transform: Transform) -> Table:
        feature = transform.feature
        name = feature.embedding_name or owner
        for table in self.tables:
            if table.name == name:
                _check_equal(table, transform)
                return table
        initializer = feature.initializer if feature.HasField("initializer") else None
        offset = self.rows_by_width.get(transform.width, 0)
        ids = view.ids_name(feature) if view.growing_of(feature) else ""
        table = Table(name, transform.num_rows, transform.width, initializer, offset, ids)
        self.tables.append(table)
        self.rows_by_width[transform.width] = offset + table.rows
        return table


def _check_equal(table: Table, transform: Transform) -> None:
    if bool(table.ids) != bool(view.growing_of(transform.feature)):
        raise UserError(
            f'feature "{transform.feature_name}": shares the table "{table.name}", which grows for one feature and not '
            "for the other; give both the same `growing`, or another embedding_name."
        )
    found, wanted = (transform.num_rows, transform.width), (table.rows, table.width)
    if found != wanted:
        raise UserError(
            f'feature "{transform.feature_name}": shares the table "{table.name}" of {wanted[0]} rows of width '
            f"{wanted[1]}, but has {found[0]} rows of width {found[1]}; give both the same size and embedding_dim, "
            "or another embedding_name."
        )
