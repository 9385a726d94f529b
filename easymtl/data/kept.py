"""Encoded rows of small data, kept from one epoch to the next."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from easymtl.data.blocks import Source
from easymtl.data.chunks import Chunk
from easymtl.data.order import Cursor
from easymtl.data.rows import Rows

_BYTES_PER_FILE_BYTE = 4
"""How much encoded rows may grow against their files; only where the order of rows is decided."""


def is_small(source: Source, kept_bytes: int) -> bool:
    """Returns whether all rows of a source are likely to fit into `kept_bytes` once they are encoded.

    It goes by the sizes of the files alone: the order of rows follows from it, before any is read.
    """
    return sum(block.size for block in source.blocks) * _BYTES_PER_FILE_BYTE <= kept_bytes


def keep_epochs(
    read: Callable[[Cursor, int], Iterator[Chunk]], num_epochs: int, start: Cursor, kept_bytes: int
) -> Iterator[Chunk]:
    """Yields the encoded chunks of all epochs, read and encoded once when they fit into memory.

    Args:
        read: yields the chunks from a position to the end of an epoch, which is given by the number of epochs to it.
            The order of chunks is the same in every epoch.
        num_epochs: passes over the data, 0 = forever.
        start: where to begin; an epoch that is entered in its middle is not kept.
        kept_bytes: of encoded rows; an epoch of more is read again and again.
    """
    kept: list[Chunk] | None = None
    epoch = start.epoch
    while not num_epochs or epoch < num_epochs:
        if kept is None:
            kept = yield from _read(read(start, epoch + 1), replace(start, row=0) == Cursor(epoch), kept_bytes)
        else:
            yield from (_moved(chunk, epoch - kept[0].start.epoch) for chunk in kept)
        epoch += 1
        start = Cursor(epoch)


def _read(chunks: Iterator[Chunk], is_whole: bool, kept_bytes: int):
    """Yields the chunks of an epoch and returns them, or None when they are not all there or are too many."""
    kept: list[Chunk] | None = [] if is_whole else None
    for chunk in chunks:
        if kept is not None:
            kept.append(_copied(chunk))
            kept_bytes -= 0 if chunk.rows is None else chunk.rows.nbytes
            kept = kept if kept_bytes >= 0 else None
        yield chunk
    return kept


def _copied(chunk: Chunk) -> Chunk:
    """Returns a chunk whose columns nobody else takes apart; the arrays are shared."""
    return chunk if chunk.rows is None else replace(chunk, rows=Rows(dict(chunk.rows.columns)))


def _moved(chunk: Chunk, epochs: int) -> Chunk:
    """Returns a chunk as it is so many epochs later."""
    return replace(
        _copied(chunk),
        start=replace(chunk.start, epoch=chunk.start.epoch + epochs),
        after=replace(chunk.after, epoch=chunk.after.epoch + epochs),
        begin=chunk.begin + epochs,
        progress=chunk.progress + epochs,
    )
