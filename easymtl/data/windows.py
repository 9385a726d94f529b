"""From blocks to encoded chunks, to windows of rows, to batches."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from easymtl.data.bad_values import encode_rows
from easymtl.data.blocks import Block, Source
from easymtl.data.order import Cursor, permutation
from easymtl.data.rows import Rows, concat_columns
from easymtl.errors import UserError


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
    """

    start: Cursor
    after: Cursor
    begin: float
    progress: float
    rows: Any
    blocks: tuple[Block, ...] = ()


@dataclass
class Window:
    """Rows that are permuted together.

    Attributes:
        start: its position, which alone determines what it holds and its order.
        after: the position after it.
        begin: passes over the data at its start, by the bytes of the blocks.
        progress: the same at its end.
        rows: the encoded rows in the order of the files.
    """

    start: Cursor
    after: Cursor
    begin: float
    progress: float
    rows: Rows


@dataclass(frozen=True)
class Batch:
    """Rows for one step.

    Attributes:
        rows: the encoded rows.
        cursor: the position after them.
        progress: passes over the data at their end, by the bytes of the blocks.
    """

    rows: Rows
    cursor: Cursor
    progress: float = 0.0


def block_order(num_blocks: int, shuffle: bool, seed: int, epoch: int) -> np.ndarray:
    """Returns the order `[num_blocks]` in which an epoch reads the blocks."""
    return permutation(num_blocks, seed, epoch) if shuffle else np.arange(num_blocks)


def read_chunks(source: Source, shuffle: bool, seed: int, num_epochs: int, start: Cursor) -> Iterator[Chunk]:
    """Yields the record batches from `start` on, and a chunk without rows at the end of each epoch.

    Raises:
        UserError: there are no rows at all, or `start` is not a position in this data.
    """
    total = sum(block.size for block in source.blocks) or 1
    if start.block > len(source.blocks):
        raise UserError(_changed(start))
    epoch = start.epoch
    while not num_epochs or epoch < num_epochs:
        order = block_order(len(source.blocks), shuffle, seed, epoch)
        is_empty = True
        done = sum(source.blocks[place].size for place in order[: start.block])
        for place in range(start.block, len(order)):
            block = source.blocks[order[place]]
            begin = epoch + done / total
            for number, (batch, share) in enumerate(_with_share(source, block)):
                progress = epoch + (done + share * block.size) / total
                is_resumed = place == start.block and number < start.chunk
                if batch.num_rows and not is_resumed:
                    is_empty = False
                    after = Cursor(epoch, place, number + 1)
                    yield Chunk(Cursor(epoch, place, number), after, begin, progress, batch, (block,))
                begin = progress
            done += block.size
        if is_empty and not (start.block or start.chunk):
            raise UserError(_no_rows(source))
        yield Chunk(Cursor(epoch, len(order)), Cursor(epoch + 1), epoch + 1.0, epoch + 1.0, None)
        epoch, start = epoch + 1, Cursor(epoch + 1)


def _with_share(source: Source, block: Block) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Yields the batches of a block, each with the part of the block that is read with it, where that is known."""
    rows = 0
    for batch in source.read(block):
        rows += batch.num_rows
        whole = 0.0 if block.is_stream else 1.0
        yield batch, rows / block.num_rows if block.num_rows else whole


def _no_rows(source: Source) -> str:
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


def _changed(start: Cursor) -> str:
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
    return replace(chunks[0], after=chunks[-1].after, progress=chunks[-1].progress, rows=rows, blocks=blocks)


def encode_chunks(
    chunks: Iterator[Chunk], encode: Callable[[pa.RecordBatch], Rows], source: Source, pool: Executor, ahead: int
) -> Iterator[Chunk]:
    """Yields the chunks with their rows encoded by the pool, in order, at most `ahead` of them in work.

    Raises:
        UserError: a value cannot be used.
    """
    pending: deque[tuple[Chunk, Future | None]] = deque()
    for chunk in chunks:
        is_end = chunk.rows is None
        pending.append((chunk, None if is_end else pool.submit(encode_rows, encode, chunk.rows, source, chunk.blocks)))
        del chunk
        if len(pending) > ahead:
            yield _encoded(*pending.popleft())
    while pending:
        yield _encoded(*pending.popleft())


def require_rows(chunks: Iterator[Chunk], source: Source, start: Cursor) -> Iterator[Chunk]:
    """Yields the encoded chunks from `start` on.

    Raises:
        UserError: a whole epoch had not one row that can be used.
    """
    is_empty, is_whole = True, start == Cursor(start.epoch)
    for chunk in chunks:
        if chunk.rows is not None:
            is_empty = is_empty and not chunk.rows.num_rows
        elif is_empty and is_whole:
            raise UserError(_no_rows(source))
        else:
            is_empty = is_whole = True
        yield chunk
        del chunk


def _encoded(chunk: Chunk, future: Future | None) -> Chunk:
    rows = future.result() if future is not None else None
    return replace(chunk, rows=rows)


def gather_windows(chunks: Iterator[Chunk], window_rows: int, window_bytes: int, start: Cursor) -> Iterator[Window]:
    """Yields windows of consecutive chunks of one epoch, each as soon as it has enough rows or bytes.

    Raises:
        UserError: `start` lies in a window that is no longer there.
    """
    collected: list[Chunk] = []
    rows = num_bytes = 0
    first = start
    for chunk in chunks:
        if chunk.rows is not None:
            if first.row and chunk.start != Cursor(first.epoch, first.block, first.chunk):
                raise UserError(_changed(first))
            first = Cursor()
            collected.append(chunk)
            rows += chunk.rows.num_rows
            num_bytes += chunk.rows.nbytes
        if not collected:
            continue
        if chunk.rows is None or rows >= window_rows or num_bytes >= window_bytes:
            window = _window(collected, chunk.after, chunk.progress)
            collected.clear()
            rows = num_bytes = 0
            del chunk
            yield window
            del window


def _window(chunks: list[Chunk], after: Cursor, progress: float) -> Window:
    # Column by column, and each part is dropped once it is copied, to hold hardly more than one copy.
    parts = [chunk.rows.columns for chunk in chunks]
    if len(parts) > 1:
        columns = {name: concat_columns([part.pop(name) for part in parts]) for name in list(parts[0])}
    else:
        columns = parts[0]
    return Window(chunks[0].start, after, chunks[0].begin, progress, Rows(columns))


def cut_batches(
    windows: Iterator[Window], batch_size: int, shuffle: bool, seed: int, drop_remainder: bool, skip_rows: int
) -> Iterator[Batch]:
    """Yields batches of exactly `batch_size` rows across windows and epochs; only the last may be shorter.

    Raises:
        UserError: the first window has fewer rows than were consumed of it.
    """
    pieces: list[Rows] = []
    missing = batch_size
    cursor, progress = Cursor(), 0.0
    for window in windows:
        num_rows = window.rows.num_rows
        if skip_rows and skip_rows >= num_rows:
            raise UserError(_changed(Cursor(window.start.epoch, window.start.block, window.start.chunk, skip_rows)))
        order = _window_order(window, num_rows, seed) if shuffle else None
        row, skip_rows = skip_rows, 0
        while row < num_rows:
            count = min(missing, num_rows - row)
            pieces.append(
                window.rows.slice(row, count) if order is None else window.rows.take(order[row : row + count])
            )
            row, missing = row + count, missing - count
            cursor, progress = _position(window, row, num_rows)
            if not missing:
                rows, pieces, missing = Rows.concat(pieces), [], batch_size
                yield Batch(rows, cursor, progress)
                del rows
        del window, order
    if pieces and not drop_remainder:
        yield Batch(Rows.concat(pieces), cursor, progress)


def _window_order(window: Window, num_rows: int, seed: int) -> np.ndarray:
    return permutation(num_rows, seed, window.start.epoch, window.start.block, window.start.chunk)


def _position(window: Window, row: int, num_rows: int) -> tuple[Cursor, float]:
    """Returns cursor and progress when `row` rows of the window are consumed."""
    if row == num_rows:
        return window.after, window.progress
    start = window.start
    progress = window.begin + (window.progress - window.begin) * row / num_rows
    return Cursor(start.epoch, start.block, start.chunk, row), progress
