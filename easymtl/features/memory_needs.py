"""What the tables of a model need in memory: in training, in scoring and in an export."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol

from easymtl.features.declarations import growing_settings, table_sizes
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.protos import export_pb2
from easymtl.protos.pipeline_pb2 import Pipeline

# What a feed holds when it shuffles (`window_bytes` of `Feed`), about.
WINDOW_BYTES = 512 << 20
_FLOAT_BYTES = 4
_NUMBER_BYTES = 8
# Of each `RowPrecision`: bytes of a number, and of what a row has beside its numbers.
_STORED_BYTES = {
    export_pb2.FLOAT32: (4, 0),
    export_pb2.FLOAT16: (2, 0),
    export_pb2.BFLOAT16: (2, 0),
    export_pb2.INT8: (1, 4),
}
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
        copies: the rows of one width, as an export stores them: no more of them are there twice.
        exported: all rows as an export stores them, in the process that loads it.
        saved: tables, slots and averages once more, from which a checkpoint is written while training goes on.
        ids: what tells the rows of growing tables, when all of these are taken.
    """

    tables: int
    slots: int = 0
    gradients: int = 0
    window: int = 0
    averages: int = 0
    copies: int = 0
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


def needs_of_export(pipeline: Pipeline) -> Needs:
    """Returns what an export needs: all rows, in its precision, where it is loaded to be compared with the checkpoint.

    They go from the checkpoint into its files a few at a time. Other formats than a SavedModel are made of all tables
    in memory, and those of one width once more.
    """
    tables, kind = table_sizes(pipeline), pipeline.export_config.row_precision
    per_number, per_row = _STORED_BYTES[kind]
    by_width: dict[int, int] = {}
    for table in tables:
        by_width[table.width] = by_width.get(table.width, 0) + table.rows * (table.width * per_number + per_row)
    if any(one != export_pb2.ExportConfig.SAVED_MODEL for one in pipeline.export_config.formats):
        return replace(needs_of_scoring(pipeline), copies=max(by_width.values(), default=0))
    return Needs(0, exported=sum(by_width.values()), ids=bytes_of_growing(pipeline))


def needs_of_scoring(pipeline: Pipeline) -> Needs:
    """Returns what scoring needs of one process that has all tables."""
    return replace(needs_of(table_sizes(pipeline), None), ids=bytes_of_growing(pipeline))


def needs_of_training(pipeline: Pipeline, num_owners: int = 1) -> Needs:
    """Returns what each of so many workers needs that have a part of the tables, or one that has all of them."""
    needs = needs_of(table_sizes(pipeline), tables_rule(pipeline), WINDOW_BYTES).of_each(num_owners)
    return replace(needs, ids=bytes_of_growing(pipeline, num_owners))


def bytes_of_growing(pipeline: Pipeline, num_owners: int = 1) -> int:
    """Returns what tells the rows of growing tables takes when all of these are taken; of each of several owners."""
    return sum(bytes_of_ids(settings, num_owners) for settings in growing_settings(pipeline).values())


def tables_rule(pipeline: Pipeline) -> TableRule:
    """Returns what the optimizer of the tables needs."""
    config = pipeline.train_config.optimizer_config[0]
    kind = str(config.WhichOneof("optimizer"))
    is_dense = getattr(getattr(config, kind), "dense_embedding_update", False)
    return TableRule(NUM_SLOTS[kind], is_dense, config.use_moving_average)


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
