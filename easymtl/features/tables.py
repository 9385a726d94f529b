"""Where every feature of every group finds its vector: its slot in the packed tensors and its table."""

from dataclasses import dataclass, field

from easymtl.errors import UserError
from easymtl.features.transform import Transform
from easymtl.protos.feature_pb2 import Initializer


@dataclass(frozen=True)
class Table:
    """The embedding table of a feature, or of all features that share its `embedding_name`.

    Attributes:
        name: the `embedding_name`, else "<group>/<feature>".
        rows: number of rows.
        width: width of a row.
        initializer: as declared, None for the default.
        offset: where its first row lies in the variable of its width.
    """

    name: str
    rows: int
    width: int
    initializer: Initializer | None
    offset: int


@dataclass(frozen=True)
class Slot:
    """A feature in a group.

    Attributes:
        group: name of the group.
        feature: name of the feature.
        kind: "id", "bag" or "dense".
        width: width of the vector it becomes.
        table: None for "dense".
        index: column among the slots of its kind and width; for "dense" the first column of its numbers.
    """

    group: str
    feature: str
    kind: str
    width: int
    table: Table | None
    index: int

    @property
    def offset(self) -> int:
        """Returns where the rows of its table start in the variable of its width."""
        return self.table.offset if self.table else 0


@dataclass
class Layout:
    """The packed layout of all groups.

    Attributes:
        slots: of each group, in the order of the config.
        tables: in the order of their first use.
        rows_by_width: rows of the one variable of each width.
        weighted_widths: widths of which a bag can hold weights other than 1.
        dense_width: numbers per row.
    """

    slots: dict[str, list[Slot]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    rows_by_width: dict[int, int] = field(default_factory=dict)
    weighted_widths: set[int] = field(default_factory=set)
    dense_width: int = 0

    def all_slots(self, kind: str, width: int = 0) -> list[Slot]:
        """Returns the slots of a kind (and, unless it is "dense", a width) in the order of their index."""
        slots = (slot for slots in self.slots.values() for slot in slots)
        return [slot for slot in slots if slot.kind == kind and (kind == "dense" or slot.width == width)]

    def add(self, group: str, transform: Transform) -> None:
        """Adds a feature to a group.

        Raises:
            UserError: it shares a table that has other rows or another width.
        """
        kind, width = transform.kind, transform.width
        table, index = None, self.dense_width
        if kind == "dense":
            self.dense_width += width
        else:
            table, index = self._table(group, transform), len(self.all_slots(kind, width))
            if transform.is_weighted:
                self.weighted_widths.add(width)
        slots = self.slots.setdefault(group, [])
        slots.append(Slot(group, transform.feature_name, kind, width, table, index))

    def _table(self, group: str, transform: Transform) -> Table:
        feature = transform.feature
        name = feature.embedding_name or f"{group}/{transform.feature_name}"
        for table in self.tables:
            if table.name == name:
                _check_equal(table, transform)
                return table
        initializer = feature.initializer if feature.HasField("initializer") else None
        offset = self.rows_by_width.get(transform.width, 0)
        table = Table(name, transform.num_rows, transform.width, initializer, offset)
        self.tables.append(table)
        self.rows_by_width[transform.width] = offset + table.rows
        return table


def _check_equal(table: Table, transform: Transform) -> None:
    found, wanted = (transform.num_rows, transform.width), (table.rows, table.width)
    if found != wanted:
        raise UserError(
            f'feature "{transform.feature_name}": shares the table "{table.name}" of {wanted[0]} rows of width '
            f"{wanted[1]}, but has {found[0]} rows of width {found[1]}; give both the same size and embedding_dim, "
            "or another embedding_name."
        )
