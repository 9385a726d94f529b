"""Whether a model fits in memory, told before anything is allocated."""

from dataclasses import replace
from pathlib import Path

from easymtl.errors import UserError
from easymtl.features.declarations import growing_settings, readers_of_tables, table_sizes
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.features.machine_memory import Room, size_text
from easymtl.features.memory_needs import NUM_SLOTS, Needs, TableRule, needs_of
from easymtl.features.memory_texts import BESIDE, NeedsWith, needed_text, refusal
from easymtl.protos import export_pb2
from easymtl.protos.pipeline_pb2 import Pipeline

# What a feed holds when it shuffles (`window_bytes` of `Feed`), about.
WINDOW_BYTES = 512 << 20
# Of each `RowPrecision`: bytes of a number, and of what a row has beside its numbers.
_STORED_BYTES = {
    export_pb2.FLOAT32: (4, 0),
    export_pb2.FLOAT16: (2, 0),
    export_pb2.BFLOAT16: (2, 0),
    export_pb2.INT8: (1, 4),
}
GPU_DEVICE = Path("/dev/nvidia0")


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
        _require(pipeline, _training_needs(pipeline), num_owners, room or Room.here())


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
        _require(pipeline, _training_needs(pipeline), num_owners, room)
    waits = ""
    if pipeline.train_config.save_asynchronously:
        waits = _why_saving_waits(needs, is_on_gpu, room)
        needs = needs if waits else needs.with_saving()
    found = f", and {room.text()}" if room.available is not None else ""
    return f"{needed_text(needs, tables_rule(pipeline))}{found}. {BESIDE}{' ' if waits else ''}{waits}"


def export_memory_report(pipeline: Pipeline) -> str:
    """Returns what the tables of an export need, which is beside a training that exports; loads no TensorFlow."""
    return needed_text(needs_of_export(pipeline), None)


def require_scoring_memory(
    pipeline: Pipeline, is_exported: bool = False, room: Room | None = None, num_owners: int = 1
) -> None:
    """Checks that the tables of a config fit in memory, for what does not train.

    Args:
        pipeline: the config.
        is_exported: whether an export is made of them, which one process proves that has all of them.
        room: what there is; None for all that this machine has.
        num_owners: how many workers the rows of the tables are dealt out to.

    Raises:
        UserError: they do not.
    """
    if not are_on_gpu(pipeline):
        _require(pipeline, _scoring_needs(pipeline, is_exported), num_owners, room or Room.here())


def needs_of_export(pipeline: Pipeline) -> Needs:
    """Returns what an export needs: all rows, in its precision, where it is loaded to be compared with the checkpoint.

    They go from the checkpoint into its files a few at a time.
    """
    per_number, per_row = _STORED_BYTES[pipeline.export_config.row_precision]
    exported = sum(table.rows * (table.width * per_number + per_row) for table in table_sizes(pipeline))
    return Needs(0, exported=exported, ids=bytes_of_growing(pipeline))


def _needs_of_scoring(pipeline: Pipeline) -> Needs:
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


def are_on_gpu(pipeline: Pipeline) -> bool:
    """Returns whether the tables are not in the memory that is looked at here."""
    if pipeline.feature_config.embedding_on_cpu:
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _training_needs(pipeline: Pipeline) -> NeedsWith:
    return lambda num_workers: needs_of_training(pipeline, num_workers)


def _scoring_needs(pipeline: Pipeline, is_exported: bool) -> NeedsWith:
    """Returns what each of some workers needs; an export is made by one alone."""
    needs = needs_of_export(pipeline) if is_exported else _needs_of_scoring(pipeline)
    return lambda num_workers: needs if is_exported else needs.of_each(num_workers)


def _require(pipeline: Pipeline, needs_with: NeedsWith, num_workers: int, room: Room) -> None:
    if not room.has(needs_with(num_workers).total):
        tables, readers = table_sizes(pipeline), readers_of_tables(pipeline)
        raise UserError(refusal(tables, readers, needs_with, tables_rule(pipeline), room, num_workers))
