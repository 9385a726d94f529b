"""How fast workers will be together: the formulas."""

from dataclasses import dataclass

from easymtl.features.memory_needs import TableRule
from easymtl.planning.layouts import REPLICATED, Memory, Sent, Size, bytes_of, memory_of, moved_bytes
from easymtl.planning.rates import Rates

# Of a step: the counts that losses are divided by, the losses, the dense gradients with what workers tell one another.
_NUM_SUMS = 3
# Numbers of rows, and rows; sharded also the ids that are asked for, and gradients.
_NUM_GATHERS = {True: 2, False: 4}


@dataclass(frozen=True)
class Scale:
    """What is expected of some workers together.

    Attributes:
        workers: how many.
        layout: of the tables.
        memory: of each.
        sent: bytes by each in a step.
        compute_seconds: of a step: the update on a batch, and of the rows that others have sent.
        network_seconds: of a step: common operations.
        feed_seconds: of a step: reading and encoding, which goes on beside it.
        cpu_seconds: processor time of each in a step.
        seconds: of a step.
        examples_per_second: of all together.
        efficiency: the share of what as many workers would do that need not wait for each other.
    """

    workers: int
    layout: str
    memory: Memory
    sent: Sent
    compute_seconds: float
    network_seconds: float
    feed_seconds: float
    cpu_seconds: float
    seconds: float
    examples_per_second: float
    efficiency: float

    @property
    def limit(self) -> str:
        """Returns what a step waits for: `step`, `network`, `feed` or `processor`."""
        if self.seconds > max(self.compute_seconds + self.network_seconds, self.feed_seconds):
            return "processor"
        if self.feed_seconds > self.compute_seconds + self.network_seconds:
            return "feed"
        return "network" if self.network_seconds > self.compute_seconds else "step"


def num_hops(workers: int, layout: str) -> int:
    """Returns how many messages, one behind the other, the common operations of a step are.

    A sum in a ring goes round twice, what is gathered once; who exchanges rows has a message for each other worker.
    """
    others = workers - 1
    return others * (2 * _NUM_SUMS + _NUM_GATHERS[layout == REPLICATED])


def expected(size: Size, rates: Rates, workers: int, layout: str) -> Scale:
    """Returns what is expected of workers with a batch each.

    A step takes as long as the slowest of three: its own work and the common operations, one behind the other; the
    feed; and all processor time on the cores there are.

    Args:
        size: of the model.
        rates: of one worker.
        workers: how many.
        layout: of the tables.
    """
    alone = _seconds(size, rates, 1, layout)
    found = _seconds(size, rates, workers, layout)
    return Scale(
        workers,
        layout,
        memory_of(size, workers, layout),
        bytes_of(size, workers, layout),
        found.compute,
        found.network,
        rates.feed_seconds,
        found.cpu,
        found.total,
        workers * size.batch_size / found.total,
        alone.total / found.total,
    )


@dataclass(frozen=True)
class _Seconds:
    compute: float
    network: float
    cpu: float
    total: float


def _seconds(size: Size, rates: Rates, workers: int, layout: str) -> _Seconds:
    extra = _extra_rows(size, size.table_rule, workers, layout) / rates.copied_bytes_per_second
    sent, hops = bytes_of(size, workers, layout).total, num_hops(workers, layout)
    compute = rates.step_seconds + extra
    network = sent / rates.sent_bytes_per_second + hops * rates.hop_seconds
    cpu = rates.step_cpu_seconds + rates.feed_cpu_seconds + extra
    cpu += sent * rates.cpu_seconds_per_byte + hops * rates.cpu_seconds_per_hop
    of_cores = cpu / rates.num_cores if rates.num_cores else 0.0
    return _Seconds(compute, network, cpu, max(compute + network, rates.feed_seconds, of_cores))


def _extra_rows(size: Size, rule: TableRule, workers: int, layout: str) -> float:
    """Returns the bytes that are moved for the rows of other workers.

    Each worker with all tables updates the rows of all of them, once where several have touched one: at most N times
    its own. A worker with a shard updates as many as it has touched.
    """
    if layout != REPLICATED:
        return 0.0
    rows_by_width = size.rows_by_width
    total = 0.0
    for width, distinct in size.distinct.items():
        of_all = min(workers * distinct, max(rows_by_width.get(width, 0), distinct))
        total += moved_bytes(width, rule) * (of_all - distinct)
    return total


def counts_up_to(workers: int) -> list[int]:
    """Returns 1, 2, 4, 8, ... and the number itself."""
    powers = [1 << power for power in range(workers.bit_length()) if 1 << power < workers]
    return [*powers, workers]
