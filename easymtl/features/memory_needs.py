"""What tables need in memory, by their sizes and what the optimizer keeps for them; imports no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

_FLOAT_BYTES = 4
_NUMBER_BYTES = 8

NUM_SLOTS = {
    "adam_optimizer": 2,
    "lazy_adam_optimizer": 2,
    "adamw_optimizer": 2,
    "momentum_optimizer": 1,
    "momentumw_optimizer": 1,
    "rms_prop_optimizer": 2,
    "adagrad_optimizer": 1,
    "ftrl_optimizer": 2,
}
"""How many numbers each optimizer keeps for a weight; `update_rules.py` names them."""


class Table(Protocol):
    """A table of some rows, built or not."""

    @property
    def name(self) -> str:
        """Returns its name."""

    @property
    def rows(self) -> int:
        """Returns the number of rows."""

    @property
    def width(self) -> int:
        """Returns the width of a row."""


@dataclass(frozen=True)
class TableRule:
    """What the optimizer of the tables needs memory for.

    Attributes:
        num_slots: numbers that it keeps for each weight.
        moves_untouched_rows: whether it moves every row in every step.
        has_averages: whether there is a moving average of each weight.
    """

    num_slots: int
    moves_untouched_rows: bool
    has_averages: bool = False


@dataclass(frozen=True)
class Needs:
    """What the tables of a model will hold in memory, in bytes. Dense weights and activations are small beside them.

    Attributes:
        tables: the embedding tables.
        slots: what the optimizer keeps for them.
        gradients: of all rows, where the optimizer moves every row in every step.
        window: encoded rows, which are shuffled in memory.
        averages: their moving averages, with the number of an update for each row.
        exported: all rows as an export stores them, in the process that loads it.
        saved: tables, slots and averages once more, from which a checkpoint is written while training goes on.
        ids: what tells the rows of growing tables, when all of these are taken.
    """

    tables: int
    slots: int = 0
    gradients: int = 0
    window: int = 0
    averages: int = 0
    exported: int = 0
    saved: int = 0
    ids: int = 0

    @property
    def total(self) -> int:
        """Returns the sum."""
        return sum(getattr(self, field.name) for field in fields(self))

    def of_each(self, num_workers: int) -> "Needs":
        """Returns what each worker needs where the rows of the tables are dealt out, a block of rows more or less."""
        names = ("tables", "slots", "gradients", "averages")
        return replace(self, **{name: -(-getattr(self, name) // num_workers) for name in names})

    def with_saving(self) -> "Needs":
        """Returns what is needed while a checkpoint is written beside the steps."""
        return replace(self, saved=self.tables + self.slots + self.averages)


def needs_of(tables: Sequence[Table], rule: TableRule | None, window: int = 0) -> Needs:
    """Returns what tables need, with the optimizer of a training or None."""
    size = sum(size_of(table) for table in tables)
    if rule is None:
        return Needs(size)
    numbers = 0 if rule.moves_untouched_rows else _NUMBER_BYTES * sum(table.rows for table in tables)
    return Needs(
        size,
        slots=size * rule.num_slots,
        averages=size + numbers if rule.has_averages else 0,
        gradients=size if rule.moves_untouched_rows else 0,
        window=window,
    )


def size_of(table: Table) -> int:
    """Returns the bytes of a table."""
    return table.rows * table.width * _FLOAT_BYTES
