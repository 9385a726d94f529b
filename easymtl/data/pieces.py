"""Encoded rows of record batches, with the rows that were left out between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from easymtl.data.bad_values import usable_rows
from easymtl.data.blocks import Block, Source
from easymtl.data.rows import TOLD, Rows

SKIPPED = f"{TOLD}skipped"
"""How many rows were left out before each, `[n]` uint32; the last row of the data tells of those behind it, too."""

_NUMBER = "number of the row"


@dataclass(frozen=True)
class Piece:
    """The encoded rows of one record batch, or of several one behind the other.

    Attributes:
        rows: without the column that tells of those left out.
        num_rows: rows of the record batch as it was read.
        left_out: for each row that was left out, how many of `rows` come before it.
    """

    rows: Rows
    num_rows: int
    left_out: np.ndarray

    @staticmethod
    def join(pieces: Sequence["Piece"]) -> "Piece":
        """Returns the rows of all pieces, one after the other."""
        if len(pieces) == 1:
            return pieces[0]
        firsts = np.cumsum([0, *(piece.rows.num_rows for piece in pieces[:-1])])
        return Piece(
            Rows.concat([piece.rows for piece in pieces]),
            sum(piece.num_rows for piece in pieces),
            np.concatenate([piece.left_out + first for piece, first in zip(pieces, firsts)]),
        )

    def told(self, ignore_error: bool) -> tuple[Rows, int]:
        """Returns the rows, which with `ignore_error` tell of those left out, and how many none of them tells of."""
        if not ignore_error:
            return self.rows, 0
        num_rows = self.rows.num_rows
        before = np.minimum(self.left_out, max(num_rows - 1, 0))
        counts = np.bincount(before, minlength=num_rows)[:num_rows]
        columns = {**self.rows.columns, SKIPPED: counts.astype(np.uint32)}
        return Rows(columns), 0 if num_rows else len(self.left_out)


@dataclass(frozen=True)
class EncodedBatch:
    """A record batch that has been encoded.

    Attributes:
        piece: its rows.
        kept: the numbers of the rows that were not left out, ascending.
    """

    piece: Piece
    kept: np.ndarray

    def split(self, sizes: Sequence[int]) -> list[tuple[Rows, np.ndarray]]:
        """Returns the rows of each of the record batches that this one was put together of, and those they kept.

        Args:
            sizes: the rows of each.
        """
        ends = np.cumsum(sizes)
        stops = np.searchsorted(self.kept, ends).tolist()
        return [
            (self.piece.rows.slice(start, stop - start), self.kept[start:stop] - (end - size))
            for start, stop, end, size in zip([0, *stops], stops, ends, sizes)
        ]


def encode_batch(
    encode: Callable[[pa.RecordBatch], Rows],
    batch: pa.RecordBatch,
    source: Source,
    blocks: Sequence[Block],
    places: np.ndarray,
) -> EncodedBatch:
    """Returns the encoded rows of a batch; with `ignore_error` without those whose values cannot be used.

    Args:
        encode: turns a record batch into rows, one for one.
        batch: read from the blocks.
        source: counts what is left out.
        blocks: where the batch comes from.
        places: the rows of the batch before each one that was left out when it was read.

    Raises:
        UserError: a value cannot be used.
    """
    numbers = np.arange(batch.num_rows)
    if not source.ignore_error:
        rows = usable_rows(encode, batch, source, blocks)[1]
        return EncodedBatch(Piece(rows, batch.num_rows, places), numbers)
    used, rows = usable_rows(encode, batch.append_column(_NUMBER, pa.array(numbers)), source, blocks)
    kept = used.column(_NUMBER).to_numpy()
    return EncodedBatch(Piece(rows, batch.num_rows, before_rows(kept, places, batch.num_rows)), kept)


def before_rows(kept: np.ndarray, places: np.ndarray, num_rows: int) -> np.ndarray:
    """Returns for each row that was left out how many of those kept come before it.

    Args:
        kept: the numbers of the rows of a record batch that were kept, ascending.
        places: the rows of the batch before each one that was left out when it was read.
        num_rows: of the batch.
    """
    if len(kept) == num_rows:
        return places
    return np.searchsorted(kept, np.concatenate([places, np.setdiff1d(np.arange(num_rows), kept)]))
