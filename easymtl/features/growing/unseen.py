"""How many ids of rows have no row of their own in a growing table."""

from collections.abc import Mapping

import numpy as np

from easymtl.features.growing.growing_ids import DEFAULT_ROW, GrowingIds
from easymtl.features.pieces import Bags, Ids, Piece, Sequence

UNSEEN = "unseen"
"""How such values are counted, see `easymtl.features.tally`."""


class UnseenIds:
    """Counts the values that have no row of their own in the rows that this worker scores, by feature.

    It is for ids that are dealt out: where they are not, an encoder knows it of each row.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def clear(self) -> None:
        """Forgets what was counted."""
        self._numbers = {}

    def add(self, numbers: Mapping[str, int]) -> None:
        """Counts those of some rows."""
        for feature, number in numbers.items():
            self._numbers[feature] = self._numbers.get(feature, 0) + number

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Returns what was counted, as `Tally.counts`."""
        return {name: {UNSEEN: number} for name, number in self._numbers.items()}


def num_unseen(piece: Piece, ids: GrowingIds) -> np.ndarray:
    """Returns how many ids of each of n values take the default row, int64 `[n]`; missing ones do not.

    Args:
        piece: keys of n values.
        ids: the map.
    """
    if isinstance(piece, Sequence):
        return _summed(num_unseen(piece.steps, ids), piece.lengths.numpy())
    assert isinstance(piece, Ids | Bags), f"{type(piece).__name__} has no ids"
    is_unseen = (ids.find(piece.ids.numpy()) == DEFAULT_ROW).astype(np.int64)
    return is_unseen if isinstance(piece, Ids) else _summed(is_unseen, piece.lengths.numpy())


def _summed(numbers: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns the sums of runs of so many numbers each."""
    return np.diff(np.concatenate([[0], np.cumsum(numbers)])[np.concatenate([[0], np.cumsum(lengths)])])
