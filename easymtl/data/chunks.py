"""From blocks to chunks: record batches, or what was kept of them, in the order of an epoch, put together."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from easymtl.data.block_store import NO_STORE, BlockStore, Recorder
from easymtl.data.blocks import Block, Source
from easymtl.data.memory import SCHEME, is_in_memory
from easymtl.data.order import WHOLE, Cursor, Share, permutation
from easymtl.data.pieces import Piece
from easymtl.data.read_ahead import read_blocks
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
        rows: a `pa.RecordBatch`, a `Piece` of an earlier pass, a tuple of chunks of either, encoded `Rows`, or None for
            the end of an epoch.
        blocks: where the rows come from.
        skipped: the rows of the record batch before each one that was left out when it was read; of a piece only those
            that were left out before it.
        records: the record batches that `rows` are, and who wants them encoded; empty where nobody does.
    """

    start: Cursor
    after: Cursor
    begin: float
    progress: float
    rows: Any
    blocks: tuple[Block, ...] = ()
    skipped: np.ndarray = field(default_factory=_none, compare=False)
    records: tuple["Record", ...] = field(default=(), compare=False)


class Record(NamedTuple):
    """A record batch that is to be recorded once it is encoded.

    Attributes:
        recorder: of its block.
        number: its place in the block.
        num_rows: its rows.
    """

    recorder: Recorder
    number: int
    num_rows: int


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
    store: BlockStore = NO_STORE,
    workers: Workers | None = None,
) -> Iterator[Chunk]:
    """Yields the record batches from `start` on, and a chunk without rows at the end of each epoch.

    Of a share of the blocks, a position is one in the order of the share. It may be empty where there are few blocks.
    Blocks that are in the store are taken from there, and the others offered to it if they are read from their start.

    Args:
        source: what is read.
        shuffle: permute the blocks.
        seed: of their order.
        num_epochs: passes over the data, 0 = forever.
        start: where to begin.
        share: of the blocks.
        store: has blocks, and takes others.
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
        for place, (block, is_kept, reads) in enumerate(read_blocks(source, blocks, store, workers), start.block):
            begin = epoch + done / total
            is_part = place == start.block and start.chunk > 0
            recorder = None if is_kept or is_part else store.recorder(block)
            for number, (batch, part, found) in enumerate(reads):
                if recorder:
                    recorder.read(batch.num_rows, found)
                records = (Record(recorder, number, batch.num_rows),) if recorder else ()
                progress = epoch + (done + part * block.size) / total
                is_resumed = place == start.block and number < start.chunk
                skipped = _none() if is_resumed else np.concatenate([skipped, found])
                if batch.num_rows and not is_resumed:
                    is_empty = False
                    at, after = Cursor(epoch, place, number), Cursor(epoch, place, number + 1)
                    yield Chunk(at, after, begin, progress, batch, (block,), skipped, records)
                    skipped = _none()
                begin = progress
            if recorder:
                recorder.end()
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
    if is_in_memory(source.paths):
        return f'The data is empty: the table "{source.paths.removeprefix(SCHEME)}" has no rows. Give some.'
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


def merge_chunks(chunks: Iterator[Chunk], min_rows: int, share: Share = WHOLE) -> Iterator[Chunk]:
    """Yields the chunks, those of few rows put together until they have `min_rows`, or a run or the epoch ends.

    Each call of `encode` has a cost of its own, which would rule data that lies in many small files.

    Args:
        chunks: in their order.
        min_rows: of what is put together.
        share: of the blocks that they are of.
    """
    held: list[Chunk] = []
    num_rows = 0
    for chunk in chunks:
        if held and chunk.rows is not None and share.run_of(chunk.start.block) != share.run_of(held[0].start.block):
            yield _merged(held)
            held, num_rows = [], 0
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
    kinds = groupby(chunks, lambda chunk: isinstance(chunk.rows, Piece))
    runs = [_merged_pieces(list(run)) if is_piece else _merged_batches(list(run)) for is_piece, run in kinds]
    if len(runs) == 1:
        return runs[0]
    blocks = tuple(dict.fromkeys(block for run in runs for block in run.blocks))
    return replace(_joined(chunks), rows=tuple(runs), blocks=blocks, skipped=_none(), records=())


def _joined(chunks: list[Chunk]) -> Chunk:
    """Returns the first of some chunks, as long as all of them."""
    blocks = tuple(dict.fromkeys(block for chunk in chunks for block in chunk.blocks))
    return replace(chunks[0], after=chunks[-1].after, progress=chunks[-1].progress, blocks=blocks)


def _merged_batches(chunks: list[Chunk]) -> Chunk:
    table = pa.Table.from_batches([chunk.rows for chunk in chunks])
    (rows,) = table.unify_dictionaries().combine_chunks().to_batches()
    firsts = np.cumsum([0, *(chunk.rows.num_rows for chunk in chunks[:-1])])
    skipped = np.concatenate([chunk.skipped + first for chunk, first in zip(chunks, firsts)])
    records = tuple(record for chunk in chunks for record in chunk.records)
    return replace(_joined(chunks), rows=rows, skipped=skipped, records=records)


def _merged_pieces(chunks: list[Chunk]) -> Chunk:
    return replace(_joined(chunks), rows=Piece.join([piece_of(chunk) for chunk in chunks]), skipped=_none())


def piece_of(chunk: Chunk) -> Piece:
    """Returns the piece of a chunk, with what was left out before it."""
    return replace(chunk.rows, left_out=np.concatenate([chunk.skipped, chunk.rows.left_out]))
