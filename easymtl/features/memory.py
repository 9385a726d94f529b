"""Whether a model fits in memory, told before anything is allocated."""

from collections.abc import Sequence
from pathlib import Path

from easymtl.errors import UserError
from easymtl.features.declarations import table_sizes
from easymtl.features.machine_memory import Room, size_text
from easymtl.features.memory_needs import (
    Needs,
    Table,
    TableRule,
    needs_of_export,
    needs_of_scoring,
    needs_of_training,
    size_of,
    tables_rule,
)
from easymtl.protos.pipeline_pb2 import Pipeline

_MOST_TABLES = 5
GPU_DEVICE = Path("/dev/nvidia0")
_BESIDE = "Dense weights, activations and TensorFlow itself come on top."


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
        _require(pipeline, needs_of_training(pipeline, num_owners), room or Room.here())


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
    needs = needs_of_training(pipeline, num_owners)
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
    needs, room = needs_of_training(pipeline, num_owners), room or Room.here()
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
        needs = needs_of_export(pipeline) if is_exported else needs_of_scoring(pipeline).of_each(num_owners)
        _require(pipeline, needs, room or Room.here())


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
    exported = "tables as they are exported, to prove them"
    further = (
        (f"{rule.num_slots if rule else 0} optimizer slots of the same size", needs.slots),
        ("moving averages (use_moving_average)", needs.averages),
        ("gradients of all rows (dense_embedding_update)", needs.gradients),
        ("those of one width once more, as they are exported", needs.copies),
        ("ids of growing tables, when these are full", needs.ids),
        ("rows in memory", needs.window),
        ("a copy of the tables and all that belongs to them while a checkpoint is written", needs.saved),
    )
    parts = [(exported, needs.exported) if needs.exported else ("tables", needs.tables)]
    parts += [(what, size) for what, size in further if size]
    return ", ".join(f"{what} {size_text(size)}" for what, size in parts)


def _message(tables: Sequence[Table], needs: Needs, rule: TableRule | None, room: Room) -> str:
    largest = sorted(tables, key=size_of, reverse=True)[:_MOST_TABLES]
    rest = len(tables) - len(largest)
    return "\n".join(
        [
            f"The model does not fit in memory: it needs {size_text(needs.total)}, and {room.text()}.",
            f"  needed: {_needed(needs, rule)}. {_BESIDE}",
            *(f"  table {t.name}: {t.rows:,} rows x {t.width} = {size_text(size_of(t))}" for t in largest),
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
