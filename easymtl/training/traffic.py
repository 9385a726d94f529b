"""What workers send one another in a step, by formulas."""

from collections.abc import Mapping
from typing import NamedTuple

_FLOAT_BYTES = 4
_NUMBER_BYTES = 4


class Bytes(NamedTuple):
    """What a worker sends and receives in a step."""

    sent: float
    received: float


def told(num_bytes: float) -> str:
    """Returns bytes as they are told of networks: in powers of 1,000."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= size:
            return f"{num_bytes / size:,.1f} {unit}"
    return f"{num_bytes / 1e3:,.1f} kB"


def traffic(dense: int, widths: Mapping[int, float], workers: int, is_sharded: bool) -> Bytes:
    """Returns what each worker sends and receives in a step, without what rounds sizes up and flags and counts.

    Dense gradients are summed along a ring, which takes 2 (N-1)/N of their bytes in each direction (Patarasuk and Yuan
    2009). Of tables that each worker has whole, number and gradient of each row that a worker has looked up come to all
    others. Where rows are dealt out, each row is asked for, comes, and its gradient goes back, unless it lies at home.

    Args:
        dense: weights that are no tables.
        widths: distinct rows that a worker looks up in a step, by width.
        workers: how many there are.
        is_sharded: whether the rows of tables are dealt out.
    """
    if workers == 1:
        return Bytes(0.0, 0.0)
    share = (workers - 1) / workers
    of_dense = 2 * _FLOAT_BYTES * dense * share
    if is_sharded:
        of_rows = sum(rows * (2 * _FLOAT_BYTES * width + _NUMBER_BYTES) * share for width, rows in widths.items())
    else:
        of_rows = sum(rows * (_FLOAT_BYTES * width + _NUMBER_BYTES) * (workers - 1) for width, rows in widths.items())
    return Bytes(of_dense + of_rows, of_dense + of_rows)
