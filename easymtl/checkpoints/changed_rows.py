"""Which rows of a table have changed, where each of several workers may have a part of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from easymtl.layers.context import Parameter
from easymtl.peers.dealing import Run, numbers_at

Counts = list[Run]
"""Runs of rows that a worker has, by their first row, with how many rows in them have changed, where any has."""


@dataclass(frozen=True)
class ChangedRun:
    """Changed rows that follow each other, whoever counts them.

    Attributes:
        place: of the first one, among those of this worker.
        begin: of the first one, among those of all workers.
        num_rows: how many they are.
    """

    place: int
    begin: int
    num_rows: int


@dataclass(frozen=True)
class ChangedRows:
    """The rows of a table that have changed, those of them that this worker has.

    Attributes:
        places: where this worker has them, int64 `[changed]`, ascending, counted in what it has of the table.
        numbers: the same rows, counted in the table.
        runs: where they stand among the changed rows of all workers, which are in the order of their numbers.
        num_all: the changed rows of all workers.
    """

    places: np.ndarray
    numbers: np.ndarray
    runs: tuple[ChangedRun, ...]
    num_all: int

    @classmethod
    def of(cls, table: Parameter, places: np.ndarray, counts: Sequence[Counts], index: int) -> "ChangedRows":
        """Returns the changed rows of a worker.

        Args:
            table: of which they are.
            places: as above.
            counts: those of all workers, see `counts_of`.
            index: which worker this is.
        """
        of_all = sorted((begin, count, worker) for worker, of_one in enumerate(counts) for begin, count in of_one)
        begins = [0, *accumulate(count for _, count, _ in of_all)]
        own = [(begin, count) for begin, (_, count, worker) in zip(begins, of_all) if worker == index]
        firsts = accumulate((count for _, count in own), initial=0)
        runs = tuple(ChangedRun(first, begin, count) for first, (begin, count) in zip(firsts, own))
        if not begins[-1] and not index:
            # Somebody has to say that there is none.
            runs = (ChangedRun(0, 0, 0),)
        return cls(places, numbers_at(runs_of(table), places), runs, begins[-1])


def counts_of(table: Parameter, places: np.ndarray) -> Counts:
    """Returns how many rows have changed of each run of rows that this worker has.

    Args:
        table: of which they are.
        places: where this worker has the changed rows, ascending, counted in what it has of the table.
    """
    runs = runs_of(table)
    ends = np.searchsorted(places, np.cumsum([count for _, count in runs])).tolist()
    changed = [(begin, end - start) for (begin, _), start, end in zip(runs, [0, *ends], ends)]
    return [(begin, count) for begin, count in changed if count]


def runs_of(table: Parameter) -> Sequence[Run]:
    """Returns the runs of rows that this worker has of a table: one, if it has all."""
    return [(0, table.num_rows)] if table.runs is None else table.runs
