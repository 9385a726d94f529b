"""Where encoded blocks are kept for later passes over the data."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from easymtl.data.blocks import Block
from easymtl.data.pieces import Piece
from easymtl.data.rows import Rows


class Recorder(Protocol):
    """Takes the record batches of one block as they are read, and again once they are encoded, both in order.

    A thread at a time tells what is read, and one what is encoded. What is not told of until `end`, and encoded wholly,
    is never kept.
    """

    def read(self, num_rows: int, places: np.ndarray) -> None:
        """Is told of the next record batch, also of one without rows.

        Args:
            num_rows: its rows.
            places: the rows before each one that was left out when it was read.
        """

    def end(self) -> None:
        """Is told that this was the last one."""

    def encoded(self, number: int, rows: Rows, kept: np.ndarray) -> None:
        """Is given the rows of record batch `number`, and the numbers of those rows of it that were not left out."""


class BlockStore(Protocol):
    """Keeps blocks."""

    def get(self, block: Block) -> Sequence[Piece] | None:
        """Returns a piece for each record batch of a block; None where it is not kept."""

    def recorder(self, block: Block) -> Recorder | None:
        """Returns who wants a block that is going to be read; None where nobody does."""


class _NoStore:
    """Keeps nothing."""

    def get(self, block: Block) -> None:
        """Returns None."""

    def recorder(self, block: Block) -> None:
        """Returns None."""


NO_STORE = _NoStore()
"""Keeps nothing."""
