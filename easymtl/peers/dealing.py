"""How the rows of tables are dealt out to workers: in blocks, so that checkpoints hold runs of rows.

Each table is dealt out by itself, block b of table t to worker (b + t) % N: ids that are asked for often, as those at
the beginning of a sorted vocabulary, lie on all workers, and so do tables of one block. The blocks of a table follow
from its size alone, whatever the number of workers, so that what some workers have saved is what others read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import tensorflow as tf

LEAST_ROWS = 64
"""Of a block."""
MOST_BLOCKS = 512
"""Of a table: TensorFlow looks through all saved runs of a tensor for each one that it reads. 512 runs of 8 numbers a
row, of which a third is read, took 1.4 s on a busy machine; 1,024 took 5 s and 4,096 a minute."""

Run = tuple[int, int]
"""The first row of a run of rows, and their number."""


def block_rows(num_rows: int) -> int:
    """Returns the rows of a block of a table: a power of two."""
    least = -(-num_rows // MOST_BLOCKS)
    return max(LEAST_ROWS, 1 << max(least - 1, 0).bit_length())


def numbers_at(runs: Sequence[Run], places: np.ndarray) -> np.ndarray:
    """Returns rows counted in a table, int64 `[n]`, given their places among those that a worker has of it."""
    begins, counts = _begins_and_counts(runs)
    ends = np.cumsum(counts)
    run = np.searchsorted(ends, places, side="right")
    return (begins - ends + counts)[run] + places


def places_of(runs: Sequence[Run], numbers: np.ndarray) -> np.ndarray:
    """Returns where a worker has rows that are counted in the table, int64, leaving out those that it does not have."""
    begins, counts = _begins_and_counts(runs)
    run = np.searchsorted(begins, numbers, side="right") - 1
    is_own = run >= 0
    is_own &= numbers < (begins + counts)[run]
    return (np.cumsum(counts) - counts - begins)[run[is_own]] + numbers[is_own]


def _begins_and_counts(runs: Sequence[Run]) -> np.ndarray:
    """Returns `[2, runs]`; without any run one of no rows."""
    return np.array([*runs] or [(0, 0)], np.int64).T


@dataclass(frozen=True)
class Dealing:
    """How tables that lie one behind the other are dealt out.

    A worker has its rows of them one behind the other as well, in the same order.

    Attributes:
        sizes: rows of each table.
        num_workers: how many workers there are.
        index: which of them this is.
    """

    sizes: tuple[int, ...]
    num_workers: int
    index: int

    @property
    def num_own_rows(self) -> int:
        """Returns the rows that this worker has."""
        return self._own_begins[self.index][-1]

    def own_begin(self, table: int, row: int = 0) -> int:
        """Returns where this worker has the first of its rows of a table that is not before `row` of it."""
        return self._own_begins[self.index][table] + self._num_before(table, row, self.index)

    def runs(self, table: int, begin: int = 0, end: int | None = None) -> Iterator[Run]:
        """Yields the runs of rows of a table, from `begin` to before `end`, that this worker has."""
        block, end = block_rows(self.sizes[table]), self.sizes[table] if end is None else end
        first = (self.index - table) % self.num_workers
        # The first block of this worker that does not end before `begin`.
        number = first + max(-(-(begin // block - first) // self.num_workers), 0) * self.num_workers
        for start in range(number * block, end, block * self.num_workers):
            stop = min(start + block, end)
            if stop > begin:
                yield max(start, begin), stop - max(start, begin)

    def places(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns which worker has each row, and where.

        Args:
            rows: int32 or int64 `[n]`, counted through all tables.

        Returns:
            int32 `[n]`, the worker, and int of the type of `rows` `[n]`, the row among those of this worker.
        """

        def of_table(numbers: Sequence[int]) -> tf.Tensor:
            return tf.gather(tf.constant(numbers, rows.dtype), table)

        begins = [0, *accumulate(self.sizes)][:-1]
        table = tf.searchsorted(tf.constant(begins, rows.dtype), rows, side="right") - 1
        block, row = of_table([block_rows(size) for size in self.sizes]), rows - of_table(begins)
        number = row // block
        owner = tf.cast((number + tf.cast(table, rows.dtype)) % self.num_workers, tf.int32)
        own_begins = tf.constant([one[:-1] for one in self._own_begins], rows.dtype)
        begin = tf.gather(tf.reshape(own_begins, [-1]), owner * len(self.sizes) + table)
        return owner, begin + number // self.num_workers * block + row % block

    @cached_property
    def _own_begins(self) -> list[list[int]]:
        """Returns, for each worker, where its rows of each table begin, and where those of the last one end."""
        return [
            [0, *accumulate(self._num_before(table, size, worker) for table, size in enumerate(self.sizes))]
            for worker in range(self.num_workers)
        ]

    def _num_before(self, table: int, row: int, worker: int) -> int:
        """Returns how many rows of a table before `row` a worker has."""
        block = block_rows(self.sizes[table])
        number, rest = divmod(row, block)
        first = (worker - table) % self.num_workers
        num_whole = (number - first + self.num_workers - 1) // self.num_workers
        return num_whole * block + (rest if number % self.num_workers == first else 0)
