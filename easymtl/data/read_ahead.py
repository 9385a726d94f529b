"""Blocks that are read by several threads, and come in their order."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from easymtl.data.blocks import Block, Source
from easymtl.data.workers import Workers


class Read(NamedTuple):
    """A record batch of a block.

    Attributes:
        batch: the rows.
        part: the part of the block that is read with it, where that is known.
        skipped: the rows of the batch before each one that was left out.
    """

    batch: pa.RecordBatch
    part: float
    skipped: np.ndarray


def read_blocks(source: Source, blocks: Sequence[Block], workers: Workers | None) -> Iterator[Iterator[Read]]:
    """Yields the batches of each block.

    While those of one are used, workers read the first of as many further blocks as there are of them. Rows that
    `ignore_error` leaves out are told of in their order: then one block is read at a time.

    Args:
        source: what is read.
        blocks: in their order.
        workers: read; None is the thread that asks.
    """
    if workers is None:
        yield from (_batches(source, block) for block in blocks)
        return
    waiting = iter(blocks)
    ahead = 1 if source.ignore_error else workers.num_threads + 1
    begun = deque(_begin(source, block, workers) for block in islice(waiting, ahead))
    while begun:
        yield _finish(source, workers, *begun.popleft())
        begun.extend(_begin(source, block, workers) for block in islice(waiting, 1))


def _batches(source: Source, block: Block) -> Iterator[Read]:
    rows = 0
    for batch in source.read(block):
        rows += batch.num_rows
        whole = 0.0 if block.is_stream else 1.0
        yield Read(batch, rows / block.num_rows if block.num_rows else whole, source.skipped.take(batch.num_rows))


def _begin(source: Source, block: Block, workers: Workers) -> tuple[Iterator[Read], Future]:
    batches = _batches(source, block)
    return batches, workers.submit(_next, source, batches)


def _finish(source: Source, workers: Workers, batches: Iterator[Read], future: Future) -> Iterator[Read]:
    while (found := future.result()) is not None:
        future = workers.urgent.submit(_next, source, batches)
        yield found


def _next(source: Source, batches: Iterator[Read]) -> Read | None:
    # What this thread has left out before belongs to rows that were encoded in it.
    source.skipped.take(0)
    return next(batches, None)
