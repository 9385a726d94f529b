"""From blocks to encoded chunks: record batches in the order of an epoch, put together, encoded in threads."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from easymtl.data.blocks import Block, Source
from easymtl.data.order import WHOLE, Cursor, Share, permutation
from easymtl.data.read_ahead import read_blocks
from easymtl.data.rows import Rows
from easymtl.data.skipped import SKIPPED, encode_rows
from easymtl.data.workers import Workers
from easymtl.errors import UserError


class NoRows(UserError):
    """Files without one row that can be used."""


def _none() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass(frozen=True)
class Chunk:
    """A record batch, encoded or not, or the end of an epoch.

    Attributes:
        start: its position.
        after: the position after it.
        begin: passes over the data at its start, by the bytes of the blocks.
        progress: the same at its end.
        rows: a `pa.RecordBatch`, encoded `Rows`, or None for the end of an epoch.
        blocks: where the rows come from.
        skipped: the rows of the record batch before each one that was left out when it was read.
    """

    start: Cursor
    after: Cursor
    begin: float
    progress: float
    rows: Any
    blocks: tuple[Block, ...] = ()
    skipped: np.ndarray = field(default_factory=_none, compare=False)


def block_order(num_blocks: int, shuffle: bool, seed: int, epoch: int) -> np.ndarray:
    """Returns the order `[num_blocks]` in which an epoch reads the blocks."""
    return permutation(num_blocks, seed, epoch) if shuffle else np.arange(num_blocks)


def read_chunks(
    source: Source,
    shuffle: bool,
    seed: int,
    num_epochs: int,
    start: Cursor,
    share: Share = WHOLE,
    workers: Workers | None = None,
) -> Iterator[Chunk]:
    """Yields the record batches from `start` on, and a chunk without rows at the end of each epoch.

    Of a share of the blocks, a position is one in the order of the share. It may be empty where there are few blocks.

    Args:
        source: what is read.
        shuffle: permute the blocks.
        seed: of their order.
        num_epochs: passes over the data, 0 = forever.
        start: where to begin.
        share: of the blocks.
        workers: read the blocks ahead; None is the thread that asks.

    Raises:
        NoRows: there are no rows at all.
        UserError: `start` is not a position in this data.
    """
    num_blocks = len(share.of(np.arange(len(source.blocks))))
    if start.block > num_blocks:
        raise UserError(changed_data(start))
    epoch = start.epoch
    while (num_blocks or share == WHOLE) and (not num_epochs or epoch < num_epochs):
        order = share.of(block_order(len(source.blocks), shuffle, seed, epoch))
        total = sum(source.blocks[place].size for place in order) or 1
        is_empty = True
        skipped = _none()
        done = sum(source.blocks[place].size for place in order[: start.block])
        blocks = [source.blocks[place] for place in order[start.block :]]
        for place, (block, batches) in enumerate(zip(blocks, read_blocks(source, blocks, workers)), start.block):
            begin = epoch + done / total
            for number, (batch, part, found) in enumerate(batches):
                progress = epoch + (done + part * block.size) / total
                is_resumed = place == start.block and number < start.chunk
                skipped = _none() if is_resumed else np.concatenate([skipped, found])
                if batch.num_rows and not is_resumed:
                    is_empty = False
                    after = Cursor(epoch, place, number + 1)
                    yield Chunk(Cursor(epoch, place, number), after, begin, progress, batch, (block,), skipped)
                    skipped = _none()
                begin = progress
            done += block.size
        if is_empty and share == WHOLE and not (start.block or start.chunk):
            raise NoRows(no_rows(source))
        yield Chunk(Cursor(epoch, len(order)), Cursor(epoch + 1), epoch + 1.0, epoch + 1.0, None, (), skipped)
        epoch, start = epoch + 1, Cursor(epoch + 1)


def no_rows(source: Source) -> str:
    """Returns what to say of data that have not one row."""
    if source.skipped_rows:
        return (
            "All rows of the data were skipped because they do not parse "
            f"(data_config.ignore_error). The first: {source.skipped.examples[0]}"
        )
    where = f' "{source.paths}"' if source.paths else ""
    return (
        f"The data is empty: the files of the input path{where} hold no rows. Check the job that writes them, and "
        "data_config.with_header: a first line that names columns is no row."
    )


def changed_data(start: Cursor) -> str:
    """Returns what to say of a position that is not in the data."""
    return (
        f"The position in the data that is to be resumed ({start.to_dict()}) is not there: the files, or the fields of "
        "data_config that decide the order of rows, have changed since it was saved. Bring them back, or begin the "
        "data anew: easymtl train --new_data."
    )


def merge_chunks(chunks: Iterator[Chunk], min_rows: int) -> Iterator[Chunk]:
    """Yields the chunks, those of few rows put together until they have `min_rows` or the epoch ends.

    Each call of `encode` has a cost of its own, which would rule data that lies in many small files.
    """
    held: list[Chunk] = []
    num_rows = 0
    for chunk in chunks:
        if chunk.rows is not None:
            held.append(chunk)
            num_rows += chunk.rows.num_rows
            if num_rows < min_rows:
                continue
        if held:
            yield _merged(held)
            held, num_rows = [], 0
        if chunk.rows is None:
            yield chunk


def _merged(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    table = pa.Table.from_batches([chunk.rows for chunk in chunks])
    (rows,) = table.unify_dictionaries().combine_chunks().to_batches()
    blocks = tuple(dict.fromkeys(block for chunk in chunks for block in chunk.blocks))
    firsts = np.cumsum([0, *(chunk.rows.num_rows for chunk in chunks[:-1])])
    skipped = np.concatenate([chunk.skipped + first for chunk, first in zip(chunks, firsts)])
    after, progress = chunks[-1].after, chunks[-1].progress
    return replace(chunks[0], after=after, progress=progress, rows=rows, blocks=blocks, skipped=skipped)


def encode_chunks(
    chunks: Iterator[Chunk], encode: Callable[[pa.RecordBatch], Rows], source: Source, workers: Workers, ahead: int
) -> Iterator[Chunk]:
    """Yields the chunks with their rows encoded by workers, in order, at most `ahead` of them in work.

    Raises:
        UserError: a value cannot be used.
    """
    parts = _encode_chunks(chunks, encode, source, workers, ahead)
    return _tell_rest(parts) if source.ignore_error else (chunk for chunk, _ in parts)


def _encode_chunks(
    chunks: Iterator[Chunk], encode: Callable[[pa.RecordBatch], Rows], source: Source, workers: Workers, ahead: int
) -> Iterator[tuple[Chunk, int]]:
    """Yields the encoded chunks, each with the number of rows left out that none of its rows tells of."""
    pending: deque[tuple[Chunk, Future | None]] = deque()
    for chunk in chunks:
        rows = chunk.rows
        future = (
            None if rows is None else workers.submit(encode_rows, encode, rows, source, chunk.blocks, chunk.skipped)
        )
        pending.append((chunk, future))
        del rows, future
        del chunk
        if len(pending) > ahead:
            yield _encoded(*pending.popleft())
    while pending:
        yield _encoded(*pending.popleft())


def share_rows(chunks: Iterator[Chunk], share: Share) -> Iterator[Chunk]:
    """Yields encoded chunks with those of their rows that belong to a share."""
    for chunk in chunks:
        if chunk.rows is None:
            yield chunk
        else:
            yield replace(chunk, rows=chunk.rows.take(share.of(np.arange(chunk.rows.num_rows))))


def require_rows(chunks: Iterator[Chunk], source: Source, start: Cursor) -> Iterator[Chunk]:
    """Yields the encoded chunks from `start` on.

    Raises:
        NoRows: a whole epoch had not one row that can be used.
    """
    is_empty, is_whole = True, start == Cursor(start.epoch)
    for chunk in chunks:
        if chunk.rows is not None:
            is_empty = is_empty and not chunk.rows.num_rows
        elif is_empty and is_whole:
            raise NoRows(no_rows(source))
        else:
            is_empty = is_whole = True
        yield chunk
        del chunk


def _encoded(chunk: Chunk, future: Future | None) -> tuple[Chunk, int]:
    if future is None:
        return chunk, len(chunk.skipped)
    rows, num_skipped = future.result()
    return replace(chunk, rows=rows), num_skipped


def _tell_rest(parts: Iterator[tuple[Chunk, int]]) -> Iterator[Chunk]:
    """Yields encoded chunks; those of an epoch that have a row tell of what was left out where there is none.

    A chunk is held back until the next one with rows: it may be the last of the epoch.

    Args:
        parts: the chunks, each with the number of rows left out that none of its rows tells of.
    """
    held: list[Chunk] = []
    rest = 0
    for chunk, num_skipped in parts:
        rest += num_skipped
        if chunk.rows is not None and not chunk.rows.num_rows:
            held.append(chunk)
            continue
        teller, place = (held[0].rows, -1) if chunk.rows is None and held else (chunk.rows, 0)
        if rest and teller is not None and teller.num_rows:
            teller[SKIPPED][place] += rest
            rest = 0
        yield from held
        held = []
        if chunk.rows is None:
            yield chunk
        else:
            held = [chunk]
    yield from held
