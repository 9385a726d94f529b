"""Whether a model fits in memory, told before anything is allocated."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

from easymtl.errors import UserError
from easymtl.features.declarations import growing_settings, table_sizes
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.features.machine_memory import Room, size_text
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
_MOST_TABLES = 5
GPU_DEVICE = Path("/dev/nvidia0")
_BESIDE = "Dense weights, activations and TensorFlow itself come on top."


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


def require_training_memory(pipeline: Pipeline, num_owners: int = 1, room: Room | None = None) -> None:
    """Checks that the tables of a config, their optimizer slots and the window of rows fit in memory.

    Args:
        pipeline: the config.
        num_owners: how many workers the rows of the tables are dealt out to.
        room: what there is; None for all that this machine has.

    Raises:
        UserError: they do not.
    """
    if not are_on_gpu(pipeline):
        _require(pipeline, _needs_of_training(pipeline, num_owners), room or Room.here())


def why_saving_waits(pipeline: Pipeline, num_owners: int = 1, room: Room | None = None) -> str:
    """Returns why training waits while a checkpoint is written: a sentence if there is no room for a copy, else "".

    Call it before anything is allocated. The copy is made in the memory of the machine, wherever the tables are.

    Args:
        pipeline: the config.
        num_owners: how many workers the rows of the tables are dealt out to.
        room: what there is for each of them; None for all that this machine has.
    """
    if not pipeline.train_config.save_asynchronously:
        return ""
    needs = _needs_of_training(pipeline, num_owners)
    return _why_saving_waits(needs, are_on_gpu(pipeline), room or Room.here())


def _why_saving_waits(needs: Needs, is_on_gpu: bool, room: Room) -> str:
    needs = needs.with_saving()
    total = needs.saved + needs.window if is_on_gpu else needs.total
    if room.has(total):
        return ""
    return (
        f"Steps wait while a checkpoint is written: a copy of tables and slots to write from takes "
        f"{size_text(needs.saved)}, with which training needs {size_text(total)}, and {room.text()}."
    )


def memory_report(pipeline: Pipeline, num_owners: int = 1, room: Room | None = None) -> str:
    """Returns what the tables of a training need, and what there is; loads no TensorFlow.

    Args:
        pipeline: the config.
        num_owners: how many workers the rows of the tables are dealt out to.
        room: what there is for each of them; None for all that this machine has.

    Raises:
        UserError: they do not fit.
    """
    needs, room = _needs_of_training(pipeline, num_owners), room or Room.here()
    is_on_gpu = GPU_DEVICE.exists() and not pipeline.feature_config.embedding_on_cpu
    if not is_on_gpu:
        _require(pipeline, needs, room)
    waits = ""
    if pipeline.train_config.save_asynchronously:
        waits = _why_saving_waits(needs, is_on_gpu, room)
        needs = needs if waits else needs.with_saving()
    found = f", and {room.text()}" if room.available is not None else ""
    return f"{_needed(needs, tables_rule(pipeline))}{found}. {_BESIDE}{' ' if waits else ''}{waits}"


def export_memory_report(pipeline: Pipeline) -> str:
    """Returns what the tables of an export need, which is beside a training that exports; loads no TensorFlow."""
    return _needed(needs_of_export(pipeline), None)


def require_scoring_memory(
    pipeline: Pipeline, is_exported: bool = False, room: Room | None = None, num_owners: int = 1
) -> None:
    """Checks that the tables of a config fit in memory, for what does not train.

    Args:
        pipeline: the config.
        is_exported: whether an export is made of them, which copies some.
        room: what there is; None for all that this machine has.
        num_owners: how many workers the rows of the tables are dealt out to.

    Raises:
        UserError: they do not.
    """
    if not are_on_gpu(pipeline):
        needs = needs_of_export(pipeline) if is_exported else _needs_of_scoring(pipeline).of_each(num_owners)
        _require(pipeline, needs, room or Room.here())


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
        return replace(_needs_of_scoring(pipeline), copies=max(by_width.values(), default=0))
    return Needs(0, exported=sum(by_width.values()), ids=bytes_of_growing(pipeline))


def _needs_of_scoring(pipeline: Pipeline) -> Needs:
    return replace(needs_of(table_sizes(pipeline), None), ids=bytes_of_growing(pipeline))


def _needs_of_training(pipeline: Pipeline, num_owners: int = 1) -> Needs:
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
    size = sum(_size(table) for table in tables)
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


def are_on_gpu(pipeline: Pipeline) -> bool:
    """Returns whether the tables are not in the memory that is looked at here."""
    if pipeline.feature_config.embedding_on_cpu:
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _require(pipeline: Pipeline, needs: Needs, room: Room) -> None:
    if not room.has(needs.total):
        raise UserError(_message(table_sizes(pipeline), needs, tables_rule(pipeline), room))


def _needed(needs: Needs, rule: TableRule | None) -> str:
    parts = [] if needs.exported else [f"tables {size_text(needs.tables)}"]
    if needs.exported:
        parts.append(f"tables as they are exported, to prove them {size_text(needs.exported)}")
    if needs.slots:
        parts.append(f"{rule.num_slots if rule else 0} optimizer slots of the same size {size_text(needs.slots)}")
    if needs.averages:
        parts.append(f"moving averages (use_moving_average) {size_text(needs.averages)}")
    if needs.gradients:
        parts.append(f"gradients of all rows (dense_embedding_update) {size_text(needs.gradients)}")
    if needs.copies:
        parts.append(f"those of one width once more, as they are exported {size_text(needs.copies)}")
    if needs.ids:
        parts.append(f"ids of growing tables, when these are full {size_text(needs.ids)}")
    if needs.window:
        parts.append(f"rows in memory {size_text(needs.window)}")
    if needs.saved:
        parts.append(
            f"a copy of the tables and all that belongs to them while a checkpoint is written {size_text(needs.saved)}"
        )
    return ", ".join(parts)


def _message(tables: Sequence[Table], needs: Needs, rule: TableRule | None, room: Room) -> str:
    largest = sorted(tables, key=_size, reverse=True)
    rest = len(largest) - _MOST_TABLES
    return "\n".join(
        [
            f"The model does not fit in memory: it needs {size_text(needs.total)}, and {room.text()}.",
            f"  needed: {_needed(needs, rule)}. {_BESIDE}",
            *(f"  table {t.name}: {t.rows:,} rows x {t.width} = {size_text(_size(t))}" for t in largest[:_MOST_TABLES]),
            *([f"  and {rest:,} smaller tables"] if rest > 0 else []),
            _advice(needs),
        ]
    )


def _advice(needs: Needs) -> str:
    smaller = "Lower hash_bucket_size (or num_buckets, or growing.max_rows) or embedding_dim of the largest"
    shared = "let features with the same ids share a table (embedding_name)"
    more = "or use a machine with more memory"
    if needs.slots:
        more += ", or several workers, of which each has a part of the rows (easymtl launch)"
    if needs.slots > needs.tables:
        return f"{smaller}, {shared}, use adagrad or momentum, which have one slot in place of two, {more}."
    return f"{smaller}, {shared}, {more}."


def _size(table: Table) -> int:
    return table.rows * table.width * _FLOAT_BYTES
