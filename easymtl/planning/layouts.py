"""What a worker holds in memory and sends, in each of the two layouts of tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.features.memory_needs import Table, TableRule, needs_of
from easymtl.protos.feature_pb2 import Growing
from easymtl.training.traffic import traffic

REPLICATED, SHARDED = "replicated", "sharded"
LAYOUTS = (REPLICATED, SHARDED)
_FLOAT_BYTES = 4
_NUMBER_BYTES = 4


@dataclass(frozen=True)
class Size:
    """What of a model decides what it needs.

    Attributes:
        dense: trained dense weights.
        dense_rule: what their optimizer keeps.
        tables: the embedding tables.
        table_rule: what their optimizer keeps.
        distinct: rows of tables that a batch of one worker touches, each counted once, by their width.
        batch_size: rows of the data that a worker takes in a step.
        window: bytes of rows that are shuffled in memory.
        distinct_source: where `distinct` is from.
        growing: how those tables grow that do, each once.
        are_tables_on_host: whether a device computes, and the tables are in the memory of its machine.
    """

    dense: int
    dense_rule: TableRule
    tables: Sequence[Table]
    table_rule: TableRule
    distinct: Mapping[int, float]
    batch_size: int
    window: int
    distinct_source: str = ""
    growing: Sequence[Growing] = ()
    are_tables_on_host: bool = False

    @property
    def crossing_bytes(self) -> float:
        """Returns the bytes that a batch's rows and their gradients take on their way to a device and back."""
        return sum(2 * _FLOAT_BYTES * width * distinct for width, distinct in self.distinct.items())

    @property
    def moved_bytes(self) -> float:
        """Returns the bytes of rows, gradients and slots that the update of a batch's rows reads and writes."""
        return sum(moved_bytes(width, self.table_rule) * distinct for width, distinct in self.distinct.items())

    @property
    def rows_by_width(self) -> dict[int, int]:
        """Returns the rows of all tables, by their width."""
        found: dict[int, int] = {}
        for table in self.tables:
            found[table.width] = found.get(table.width, 0) + table.rows
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Memory:
    """What a worker holds, in bytes; activations and TensorFlow itself come on top.

    Attributes:
        tables: its rows of them.
        slots: what optimizers keep for these.
        averages: their moving averages.
        gradients: of the rows that a step moves, its own and what other workers send, or of all rows.
        dense: dense weights with their gradients, slots and averages.
        window: rows that are shuffled; in the memory of the machine, whatever computes.
        ids: what tells the rows of growing tables, when all of these are taken; there, too.
        looked_up: rows of a batch and their gradients where a device computes on them; 0 where the tables are there.
        are_tables_on_host: whether tables and all that goes with them are in the memory of the machine, and dense
            weights and what is looked up in that of a device.
    """

    tables: int
    slots: int
    averages: int
    gradients: int
    dense: int
    window: int
    ids: int = 0
    looked_up: int = 0
    are_tables_on_host: bool = False

    @property
    def of_tables(self) -> int:
        """Returns what tables take, with all that goes with them."""
        return self.tables + self.slots + self.averages + self.gradients

    @property
    def of_device(self) -> int:
        """Returns what is where the model computes."""
        return self.dense + self.looked_up + (0 if self.are_tables_on_host else self.of_tables)

    @property
    def of_host(self) -> int:
        """Returns what is in the memory of the machine where a device of its own computes."""
        return self.window + self.ids + (self.of_tables if self.are_tables_on_host else 0)

    @property
    def total(self) -> int:
        """Returns the sum."""
        return self.of_device + self.of_host


@dataclass(frozen=True)
class Room:
    """What a worker may take; what is not known is taken for room.

    Attributes:
        available: bytes; None where nobody knows.
        is_device: whether they are of a device of its own, so that rows that are shuffled are elsewhere.
        of_host: bytes of its machine beside the device; None where nobody knows.
    """

    available: int | None
    is_device: bool
    of_host: int | None = None

    def has(self, memory: Memory) -> bool:
        """Returns whether there is room for it."""
        if not self.is_device:
            return _has(self.available, memory.total)
        return _has(self.available, memory.of_device) and _has(self.of_host, memory.of_host)


def _has(available: int | None, needed: int) -> bool:
    return available is None or needed <= available


@dataclass(frozen=True)
class Sent:
    """What a worker sends to others in a step, in bytes; it receives as much.

    Attributes:
        dense: gradients of dense weights.
        rows: rows of tables, their numbers and gradients.
    """

    dense: float
    rows: float

    @property
    def total(self) -> float:
        """Returns the sum."""
        return self.dense + self.rows


def moved_bytes(width: int, rule: TableRule) -> int:
    """Returns the bytes that the update of one row reads or writes.

    Read are its gradient, the row and its slots; written are the row and its slots, and an average where there is one.
    """
    numbers = 1 + 2 * (1 + rule.num_slots + rule.has_averages)
    return _FLOAT_BYTES * width * numbers


def memory_of(size: Size, workers: int, layout: str) -> Memory:
    """Returns what a worker holds.

    Args:
        size: of the model.
        workers: how many there are.
        layout: of the tables, one of `LAYOUTS`. A worker with a shard holds its part, rounded up, as its rows are dealt
            out evenly.
    """
    parts = workers if layout == SHARDED else 1
    whole = needs_of(size.tables, size.table_rule)
    dense = needs_of([_Dense(size.dense)], size.dense_rule)
    gradients = _part(whole.gradients, parts) if size.table_rule.moves_untouched_rows else 0
    return Memory(
        tables=_part(whole.tables, parts),
        slots=_part(whole.slots, parts),
        averages=_part(whole.averages, parts),
        gradients=gradients + _rows_on_their_way(size, workers, layout),
        # What moves dense weights has their gradients, whatever the rule says of rows.
        dense=dense.tables * 2 + dense.slots + (dense.tables if size.dense_rule.has_averages else 0),
        window=size.window,
        ids=sum(bytes_of_ids(one, parts) for one in size.growing),
        looked_up=round(size.crossing_bytes) if size.are_tables_on_host else 0,
        are_tables_on_host=size.are_tables_on_host,
    )


def _rows_on_their_way(size: Size, workers: int, layout: str) -> int:
    """Returns the bytes of looked up rows and their gradients, those of other workers among them."""
    own = size.crossing_bytes
    if workers == 1:
        return round(own)
    packed = sum(distinct * (_FLOAT_BYTES * width + _NUMBER_BYTES) for width, distinct in size.distinct.items())
    # A worker with a shard is asked for as many rows as it asks for itself, where ids are spread evenly.
    return round(own + packed * (workers if layout == REPLICATED else 2))


def bytes_of(size: Size, workers: int, layout: str) -> Sent:
    """Returns what a worker sends in a step."""
    is_sharded = layout == SHARDED
    dense = traffic(size.dense, {}, workers, is_sharded).sent
    return Sent(dense, traffic(0, size.distinct, workers, is_sharded).sent)


def least_workers(size: Size, room: Room) -> int | None:
    """Returns with how many workers sharded tables fit; None where no number suffices.

    Args:
        size: of the model.
        room: of each worker.
    """
    if not room.has(memory_of(size, 1 << 40, SHARDED)):
        return None
    low, high = 1, 1 << 40
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if room.has(memory_of(size, middle, SHARDED)) else (middle + 1, high)
    return low


def _part(number: int, parts: int) -> int:
    return -(-number // parts)


@dataclass(frozen=True)
class _Dense:
    """Dense weights, as a table of width 1."""

    rows: int
    width: int = 1
    name: str = ""
