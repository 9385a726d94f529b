"""Blocks that are read by several threads, and come in their order."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from easymtl.data.block_store import BlockStore
from easymtl.data.blocks import Block, Source
from easymtl.data.pieces import Piece
from easymtl.data.workers import Workers


class Read(NamedTuple):
    """A record batch of a block, or what was kept of it.

    Attributes:
        batch: the rows: a `pa.RecordBatch` or a `Piece`.
        part: the part of the block that is read with it, where that is known.
        skipped: the rows of the batch before each one that was left out and that the batch itself does not tell of.
    """

    batch: pa.RecordBatch | Piece
    part: float
    skipped: np.ndarray


class BlockRead(NamedTuple):
    """A block and what is read of it.

    Attributes:
        block: that is read.
        is_kept: whether it comes from the store.
        reads: its batches, in order.
    """

    block: Block
    is_kept: bool
    reads: Iterator[Read]


def read_blocks(
    source: Source, blocks: Sequence[Block], store: BlockStore, workers: Workers | None
) -> Iterator[BlockRead]:
    """Yields the blocks, each with its batches.

    While those of one are used, workers read the first of as many further blocks as there are of them. Rows that
    `ignore_error` leaves out are told of in their order: then one block is read at a time. What the store has is taken
    from there.

    Args:
        source: what is read.
        blocks: in their order.
        store: has blocks.
        workers: read; None is the thread that asks.
    """
    waiting = iter(blocks)
    ahead = 1 if source.ignore_error or workers is None else workers.num_threads + 1
    begun = deque(_begin(source, block, store, workers) for block in islice(waiting, ahead))
    while begun:
        yield begun.popleft()
        begun.extend(_begin(source, block, store, workers) for block in islice(waiting, 1))


def _begin(source: Source, block: Block, store: BlockStore, workers: Workers | None) -> BlockRead:
    pieces = store.get(block)
    if pieces is not None:
        return BlockRead(block, True, _kept(pieces, block))
    batches = _batches(source, block)
    if workers is not None:
        batches = _finish(source, workers, batches, workers.submit(_next, source, batches))
    return BlockRead(block, False, batches)


def _kept(pieces: Sequence[Piece], block: Block) -> Iterator[Read]:
    rows = 0
    for piece in pieces:
        rows += piece.num_rows
        # A piece without rows has none that could tell.
        yield Read(piece, _part(rows, block), piece.left_out[: 0 if piece.num_rows else None])


def _batches(source: Source, block: Block) -> Iterator[Read]:
    rows = 0
    for batch in source.read(block):
        rows += batch.num_rows
        yield Read(batch, _part(rows, block), source.skipped.take(batch.num_rows))


def _part(rows: int, block: Block) -> float:
    if block.num_rows:
        return rows / block.num_rows
    return 0.0 if block.is_stream else 1.0


def _finish(source: Source, workers: Workers, batches: Iterator[Read], future: Future) -> Iterator[Read]:
    while (found := future.result()) is not None:
        future = workers.urgent.submit(_next, source, batches)
        yield found


def _next(source: Source, batches: Iterator[Read]) -> Read | None:
    # What this thread has left out before belongs to rows that were encoded in it.
    source.skipped.take(0)
    return next(batches, None)
