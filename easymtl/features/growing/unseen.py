"""How many ids of rows have no row of their own in a growing table."""

import numpy as np

from easymtl.features.growing.growing_ids import DEFAULT_ROW, GrowingIds
from easymtl.features.pieces import Bags, Ids, Piece, Sequence

UNSEEN = "unseen"
"""How such values are counted, see `easymtl.features.tally`."""


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
