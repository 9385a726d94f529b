"""What is said of memory: what tables need, what there is, and what to do where they do not fit."""

from collections.abc import Callable, Mapping, Sequence

from easymtl.features.machine_memory import Room, size_text
from easymtl.features.memory_needs import Needs, Table, TableRule, size_of
from easymtl.peers.cluster import MOST_WORKERS, MOST_WORKERS_OF_A_HOST

NeedsWith = Callable[[int], Needs]
"""Returns what each of some workers needs that the rows of tables are dealt out to."""

BESIDE = "Dense weights, activations and TensorFlow itself come on top."
_MOST_TABLES = 5
_MOST_FEATURES = 3


def needed_text(needs: Needs, rule: TableRule | None) -> str:
    """Returns what is needed, part by part."""
    whole = "tables as they are exported, to prove them" if needs.exported else "tables"
    further = (
        (f"{rule.num_slots if rule else 0} optimizer slots of the same size", needs.slots),
        ("moving averages (use_moving_average)", needs.averages),
        ("gradients of all rows (dense_embedding_update)", needs.gradients),
        ("ids of growing tables, when these are full", needs.ids),
        ("rows in memory", needs.window),
        ("a copy of the tables and all that belongs to them while a checkpoint is written", needs.saved),
    )
    parts = [(whole, needs.exported or needs.tables), *((what, size) for what, size in further if size)]
    return ", ".join(f"{what} {size_text(size)}" for what, size in parts)


def refusal(
    tables: Sequence[Table],
    readers: Mapping[str, Sequence[str]],
    needs_with: NeedsWith,
    rule: TableRule,
    room: Room,
    num_workers: int,
) -> str:
    """Returns what is said of tables that do not fit.

    Args:
        tables: of the model.
        readers: names of the features that read each table, by its name.
        needs_with: what is needed.
        rule: what the optimizer of the tables keeps.
        room: what there is.
        num_workers: that the rows are dealt out to so far.
    """
    needs = needs_with(num_workers)
    largest = sorted(tables, key=size_of, reverse=True)
    rest = len(largest) - _MOST_TABLES
    return "\n".join(
        [
            f"The model does not fit in memory: it needs {size_text(needs.total)}, and {room.text()}.",
            f"  needed: {needed_text(needs, rule)}. {BESIDE}",
            *(f"  table {_table_text(table, readers[table.name])}" for table in largest[:_MOST_TABLES]),
            *([f"  and {rest:,} smaller tables"] if rest > 0 else []),
            _advice(needs, _least_workers(needs_with, room, num_workers), room),
        ]
    )


def _table_text(table: Table, features: Sequence[str]) -> str:
    shown = ", ".join(features[:_MOST_FEATURES])
    more = len(features) - _MOST_FEATURES
    named = f"feature{'s' if len(features) > 1 else ''} {shown}{f' and {more:,} more' if more > 0 else ''}"
    return f"{table.name}: {table.rows:,} rows x {table.width} = {size_text(size_of(table))} ({named})"


def _least_workers(needs_with: NeedsWith, room: Room, num_workers: int) -> int | None:
    """Returns to how many workers with as much memory each the rows have to be dealt out; None if no number does."""
    if not room.has(needs_with(MOST_WORKERS).total):
        return None
    low, high = num_workers, MOST_WORKERS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if room.has(needs_with(middle).total) else (middle, high)
    return high


def _advice(needs: Needs, num_workers: int | None, room: Room) -> str:
    ways = [
        "Lower hash_bucket_size (or num_buckets, or growing.max_rows) or embedding_dim of the largest",
        "let features with the same ids share a table (embedding_name)",
    ]
    if needs.slots > needs.tables:
        ways.append("use adagrad or momentum, which have one slot in place of two")
    ways.append("use a machine with more memory")
    if num_workers is not None:
        is_here = room.is_own and num_workers <= MOST_WORKERS_OF_A_HOST
        where = "" if is_here else ", on as many machines like this one"
        how = f"easymtl launch --workers {num_workers} -- ..." if is_here else "docs/guides/several-machines.md"
        ways.append(
            f"let train, eval and predict deal the rows out to {num_workers:,} workers{where} ({how}, with "
            "train_config.table_sharding: SHARDED)"
        )
    return f"{', '.join(ways[:-1])}, or {ways[-1]}."
