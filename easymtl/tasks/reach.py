"""Which rows a loss has to see together, and the parts of a pass over data that have them together.

The losses of most samples do not depend on other samples, so they add up however the rows are cut. Those of pairs and
lists do: cut where a batch of an evaluation happens to end, they would be another number for each size of batch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

ROWS_OF_A_BLOCK = 4096
"""Rows that an evaluation compares where no session says which: in pairs, and in losses of layers."""

SESSION_ROWS_AT_ONCE = 1 << 20


class Together(Enum):
    """What must not be cut."""

    ROW = "each row by itself"
    SESSION = "the rows of a session"
    BLOCK = "a number of rows in a row"
    PASS = "all rows"


@dataclass(frozen=True)
class Reach:
    """What a loss has to see together.

    Attributes:
        together: what must not be cut.
        session: the field that tells sessions apart, where they are that.
    """

    together: Together = Together.ROW
    session: str = ""

    def parts(self, num_rows: int, keys: Mapping[str, np.ndarray]) -> Iterator[np.ndarray | slice]:
        """Yields the rows of each part of a pass, over which the loss adds up.

        Args:
            num_rows: rows of the pass.
            keys: fields that tell sessions apart by name, int64 `[num_rows]` each.
        """
        if self.together is Together.PASS:
            yield slice(0, num_rows)
        elif self.together is Together.SESSION:
            yield from _whole_sessions(keys[self.session])
        else:
            for begin in range(0, num_rows, ROWS_OF_A_BLOCK):
                yield slice(begin, min(begin + ROWS_OF_A_BLOCK, num_rows))


EACH_ROW = Reach()


def _whole_sessions(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yields row numbers, those of a session together: about `SESSION_ROWS_AT_ONCE` of them, to bound the memory."""
    order = np.argsort(keys, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(keys[order])) + 1, len(keys))
    begin = 0
    while begin < len(keys):
        wanted = min(begin + SESSION_ROWS_AT_ONCE, len(keys))
        end = int(ends[np.searchsorted(ends, wanted)])
        yield order[begin:end]
        begin = end
