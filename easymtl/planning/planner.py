"""The plan: both layouts of tables, the one that is taken, and how it scales."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from easymtl.features.table_sharding import are_too_much
from easymtl.planning.layouts import (
    LAYOUTS,
    REPLICATED,
    SHARDED,
    Memory,
    Room,
    Sent,
    Size,
    bytes_of,
    least_workers,
    memory_of,
)
from easymtl.planning.rates import Rates
from easymtl.planning.scaling import Scale, counts_up_to, expected
from easymtl.protos.train_pb2 import TableSharding, TrainConfig
from easymtl.reporting.formats import bytes_text, counted


@dataclass(frozen=True)
class Layout:
    """One layout of the tables, with so many workers.

    Attributes:
        layout: its name.
        memory: of a worker.
        sent: by a worker in a step.
        fits: whether the worker has so much memory.
    """

    layout: str
    memory: Memory
    sent: Sent
    fits: bool


@dataclass(frozen=True)
class Plan:
    """What is expected.

    Attributes:
        layouts: both of them, with all workers; one worker has one.
        chosen: the one that is taken.
        scaling: what is expected of 1, 2, 4, ... workers, each with whether it fits.
        verdict: whether and how it fits, as a sentence.
    """

    layouts: Sequence[Layout]
    chosen: Layout
    scaling: Sequence[tuple[Scale, bool]]
    verdict: str


def make_plan(size: Size, rates: Rates, workers: int, room: Room, asked: str | None = None) -> Plan:
    """Returns the plan of a model.

    Args:
        size: of the model.
        rates: of a worker.
        workers: how many.
        room: of a worker.
        asked: the layout that the config asks for; None for AUTO, which shards where tables and what the optimizer
            keeps for them take more than half of the memory, and never where they are on GPUs.
    """
    names = LAYOUTS if workers > 1 else LAYOUTS[:1]
    layouts = [_layout(size, workers, name, room) for name in names]
    taken = asked or _automatic(size, room)
    chosen = _chosen(layouts, taken)
    scaling = []
    for number in counts_up_to(workers):
        of_number = [_layout(size, number, name, room) for name in (LAYOUTS if number > 1 else LAYOUTS[:1])]
        layout = _chosen(of_number, taken)
        scaling.append((expected(size, rates, number, layout.layout), layout.fits))
    return Plan(layouts, chosen, scaling, _verdict(size, workers, chosen, room))


def with_bandwidth(rates: Rates, bytes_per_second: float) -> Rates:
    """Returns the rates with another network: it is as fast as said, and no faster than workers can send by themselves.

    Without processor time of a byte nothing is known of the latter.
    """
    own = rates.sent_bytes_per_second if rates.cpu_seconds_per_byte else bytes_per_second
    return replace(rates, sent_bytes_per_second=min(own, bytes_per_second))


def asked_layout(settings: TrainConfig) -> str | None:
    """Returns the layout that `train_config.table_sharding` asks for; None for AUTO."""
    name = TableSharding.Name(settings.table_sharding).lower()
    return name if name in LAYOUTS else None


def _layout(size: Size, workers: int, name: str, room: Room) -> Layout:
    memory = memory_of(size, workers, name)
    return Layout(name, memory, bytes_of(size, workers, name), room.has(memory))


def _automatic(size: Size, room: Room) -> str:
    """Returns the layout that AUTO takes for several workers."""
    available = room.of_host if room.is_device else room.available
    if room.is_device and not size.are_tables_on_host:
        return REPLICATED
    return SHARDED if are_too_much(size.tables, size.table_rule, available) else REPLICATED


def _chosen(layouts: Sequence[Layout], name: str) -> Layout:
    """Returns the layout of a name; one worker has all there is."""
    return next((layout for layout in layouts if layout.layout == name), layouts[0])


def _fewer_bytes(size: Size, chosen: Layout, workers: int) -> str:
    """Returns a sentence where tables that are dealt out send less than half; else nothing."""
    ours, theirs = (bytes_of(size, workers, layout).total for layout in (chosen.layout, SHARDED))
    if 2 * theirs >= ours:
        return ""
    return (
        f" Tables that are {SHARDED} (train_config.table_sharding: SHARDED) send {bytes_text(int(theirs))} in a step "
        f"in place of {bytes_text(int(ours))}."
    )


def _verdict(size: Size, workers: int, chosen: Layout, room: Room) -> str:
    memory = chosen.memory
    needed, of_worker = bytes_text(memory.of_device if room.is_device else memory.total), counted(workers, "worker")
    if size.are_tables_on_host:
        needed += f" of the device and {bytes_text(memory.of_host)} of its machine"
    if room.available is None:
        return f"{of_worker}, tables {chosen.layout}: each needs {needed}; how much there is, nobody knows here."
    there = bytes_text(room.available)
    if size.are_tables_on_host:
        there += f" and {bytes_text(room.of_host)}" if room.of_host is not None else " of the device"
    if chosen.fits:
        unknown = size.are_tables_on_host and room.of_host is None
        ends = "; what its machine has is not known: --host_memory SIZE says it." if unknown else "."
        fewer = _fewer_bytes(size, chosen, workers)
        return f"{of_worker}, tables {chosen.layout}: each needs {needed}, and has {there}{ends}{fewer}"
    text = f"{of_worker}, tables {chosen.layout}: does not fit. Each needs {needed}, and has {there}."
    if chosen.layout == REPLICATED and workers > 1:
        return f"{text} Tables that are {SHARDED} (train_config.table_sharding: SHARDED) need less."
    least = least_workers(size, room)
    if least is None:
        return f"{text} No number of workers suffices: what is not tables is too much. Lower data_config.batch_size."
    return f"{text} With tables {SHARDED} it takes {counted(least, 'worker')}."
