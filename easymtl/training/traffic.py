"""How many bytes a worker sends in a step of several workers."""

from collections.abc import Mapping
from dataclasses import dataclass

_FLOAT_BYTES = 4
_NUMBER_BYTES = 4


@dataclass(frozen=True)
class Bytes:
    """What one worker sends to others in one step; it receives as much.

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


def traffic(dense: int, widths: Mapping[int, float], workers: int, is_sharded: bool) -> Bytes:
    """Returns the bytes that a worker sends in a step.

    Dense gradients are summed in a ring, which sends each number `2 (N - 1) / N` times (Patarasuk and Yuan 2009). Where
    every worker holds all tables, the touched rows of each of them, a number and a gradient, go round to all others.
    Where tables are sharded, a worker asks for its rows (a number), is sent them, and sends their gradients back; by
    chance 1 of N rows is its own.

    Args:
        dense: trained dense weights.
        widths: distinct rows that the batch of a worker touches, by the width of the row.
        workers: how many there are.
        is_sharded: whether each worker holds a part of the rows of tables, in place of all of them.
    """
    others, share = workers - 1, (workers - 1) / workers
    if is_sharded:
        rows = share * sum(distinct * (2 * _FLOAT_BYTES * width + _NUMBER_BYTES) for width, distinct in widths.items())
    else:
        rows = others * sum(distinct * (_FLOAT_BYTES * width + _NUMBER_BYTES) for width, distinct in widths.items())
    return Bytes(2 * _FLOAT_BYTES * dense * share, rows)
