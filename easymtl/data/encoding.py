"""From chunks of record batches to encoded chunks, in threads."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pyarrow as pa

from easymtl.data.blocks import Source
from easymtl.data.chunks import Chunk, NoRows, Record, no_rows, piece_of
from easymtl.data.order import Cursor, Share
from easymtl.data.pieces import SKIPPED, EncodedBatch, Piece, encode_batch
from easymtl.data.rows import Rows
from easymtl.data.workers import Workers

Encode = Callable[[pa.RecordBatch], Rows]
_Recorded = list[tuple[tuple[Record, ...], EncodedBatch]]


def encode_chunks(
    chunks: Iterator[Chunk], encode: Encode, source: Source, workers: Workers, ahead: int
) -> Iterator[Chunk]:
    """Yields the chunks with their rows encoded by workers, in order, at most `ahead` of them in work.

    Record batches that somebody wants encoded are handed to their recorders, in order, in the thread that iterates.

    Raises:
        UserError: a value cannot be used.
    """
    parts = _encode_chunks(chunks, encode, source, workers, ahead)
    return _tell_rest(parts) if source.ignore_error else (chunk for chunk, _ in parts)


def _encode_chunks(
    chunks: Iterator[Chunk], encode: Encode, source: Source, workers: Workers, ahead: int
) -> Iterator[tuple[Chunk, int]]:
    """Yields the encoded chunks, each with the number of rows left out that none of its rows tells of."""
    pending: deque[tuple[Chunk, Future | None]] = deque()
    for chunk in chunks:
        future = None if chunk.rows is None else workers.submit(_encode, chunk, encode, source)
        # The record batch is dropped as soon as it is encoded.
        pending.append((chunk if future is None else replace(chunk, rows=()), future))
        # The next epoch may begin with the block that this one has ended with: it is recorded by then.
        most = ahead if future else 0
        del chunk, future
        while len(pending) > most:
            yield _encoded(*pending.popleft())
    while pending:
        yield _encoded(*pending.popleft())


def _encode(chunk: Chunk, encode: Encode, source: Source) -> tuple[Rows, int, _Recorded]:
    """Returns the rows of a chunk, how many were left out that none tells of, and what is to be recorded."""
    recorded: _Recorded = []
    pieces = []
    for run in chunk.rows if isinstance(chunk.rows, tuple) else (chunk,):
        if isinstance(run.rows, Piece):
            pieces.append(piece_of(run))
            continue
        encoded = encode_batch(encode, run.rows, source, run.blocks, run.skipped)
        pieces.append(encoded.piece)
        if run.records:
            recorded.append((run.records, encoded))
    rows, num_untold = Piece.join(pieces).told(source.ignore_error)
    return rows, num_untold, recorded


def _encoded(chunk: Chunk, future: Future | None) -> tuple[Chunk, int]:
    if future is None:
        return chunk, len(chunk.skipped)
    rows, num_untold, recorded = future.result()
    for records, encoded in recorded:
        parts = encoded.split([record.num_rows for record in records])
        for record, (own, kept) in zip(records, parts):
            record.recorder.encoded(record.number, own, kept)
    return replace(chunk, rows=rows), num_untold


def share_rows(chunks: Iterator[Chunk], share: Share) -> Iterator[Chunk]:
    """Yields encoded chunks with those of their rows that belong to a share.

    Where a loss compares the rows of a session those of one belong together: of several kinds of sessions, the first.
    """
    for chunk in chunks:
        if chunk.rows is None:
            yield chunk
        else:
            keys = chunk.rows.columns.get("keys")
            own = share.of(np.arange(chunk.rows.num_rows)) if keys is None else share.of_keys(keys[:, 0])
            yield replace(chunk, rows=chunk.rows.take(own))


def end_without_rows(chunks: Iterator[Chunk], num_passes: int) -> Iterator[Chunk]:
    """Yields the encoded chunks of a share; ends behind so many passes in a row that have none of its rows.

    A reader of passes without end would look for a row for ever, and nobody would hear of it.

    Args:
        chunks: of all passes.
        num_passes: behind which none is to be expected; the first one may be the rest of a pass, and does not count.
    """
    num_empty = -1
    for chunk in chunks:
        yield chunk
        if chunk.rows is None:
            num_empty += 1
        elif chunk.rows.num_rows:
            num_empty = -1
        if num_empty == num_passes:
            return


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
