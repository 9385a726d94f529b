"""CSV files cut at the ends of records: into blocks, and a gzip file into the pieces that it is unpacked in."""

from collections.abc import Callable, Iterator
from functools import partial

import pyarrow as pa

from easymtl.data.blocks import Block
from easymtl.data.csv_borders import last_border, open_quote
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_rows import HOW_TO_READ_QUOTES_AS_TEXT
from easymtl.data.csv_text import count_line_ends, count_line_ends_before, is_gzip, open_stream, read_stream
from easymtl.data.paths import DataFile, read_open
from easymtl.errors import UserError

# A longer record has a quote that nothing closes.
_MAX_RECORD_BYTES = 64 << 20


def cut_blocks(file: DataFile, start: int, block_bytes: int, dialect: Dialect) -> list[Block]:
    """Returns the blocks of a file from the byte of its text at which its first record starts; one of a gzip file.

    Args:
        file: the file.
        start: that byte.
        block_bytes: the largest size of a block, unless one record is larger.
        dialect: how its records are written.

    Raises:
        UserError: a record does not end.
    """
    if is_gzip(file):
        return [Block(file, 0, file.size, is_stream=True)]
    blocks = []
    with file.open() as opened:
        while start < file.size:
            length = _block_length(file, opened, start, block_bytes, dialect)
            blocks.append(Block(file, start, length))
            start += length
    return blocks


def _block_length(file: DataFile, opened: pa.NativeFile, start: int, size: int, dialect: Dialect) -> int:
    """Returns the bytes from the record at `start` to the last border within the size of a block."""
    while start + size < file.size:
        data = read_open(opened, start, size, file)
        length = last_border(data, dialect)
        if length:
            return length
        _require_end(data, file, lambda: 1 + count_line_ends_before(file, start), dialect)
        size *= 2
    return file.size - start


def unpack(file: DataFile, start: int, piece_bytes: int, dialect: Dialect) -> Iterator[tuple[bytes, int]]:
    """Yields whole records of a gzip file and the physical line at which they start.

    Args:
        file: the file.
        start: the byte of its text at which its first record starts.
        piece_bytes: what is unpacked at a time.
        dialect: how its records are written.

    Raises:
        UserError: the file is damaged, or a record or a quoted field does not end.
    """
    stream = open_stream(file)
    line = 1 + count_line_ends(read_stream(stream, start, file))
    rest = b""
    while True:
        first_line = partial(int, line)
        piece = read_stream(stream, piece_bytes, file)
        data = rest + piece
        length = last_border(data, dialect) if piece else len(data)
        if not piece:
            require_closed_quotes(data, file, first_line, dialect)
        if length:
            yield data[:length], line
            line += count_line_ends(data[:length])
        elif data:
            _require_end(data, file, first_line, dialect)
        rest = data[length:]
        if not piece:
            return


def _require_end(data: bytes, file: DataFile, first_line: Callable[[], int], dialect: Dialect) -> None:
    if len(data) >= _MAX_RECORD_BYTES:
        require_closed_quotes(data, file, first_line, dialect)
        raise UserError(
            f"{file.name}:{first_line()}: a record starts here and does not end within {len(data)} bytes. "
            "Is this a CSV file?"
        )


def require_closed_quotes(data: bytes, file: DataFile, first_line: Callable[[], int], dialect: Dialect) -> None:
    """Checks that a text ends outside of quotes.

    Args:
        data: whole records, or a part of one.
        file: that they are of.
        first_line: returns the physical line at which they start.
        dialect: how they are written.

    Raises:
        UserError: a quote is not closed.
    """
    quote = open_quote(data, dialect)
    if quote >= 0:
        line = first_line() + count_line_ends(data[:quote])
        raise UserError(
            f"{file.name}:{line}: a quoted field starts here and nothing closes it. "
            f"Close it, or double a quote that stands for itself inside of quotes. {HOW_TO_READ_QUOTES_AS_TEXT}"
        )
