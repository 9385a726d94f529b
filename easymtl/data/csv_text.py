"""The text of a CSV file: unpacked, its header read, its lines counted."""

import io

import pyarrow as pa

from easymtl.data.csv_borders import first_border
from easymtl.data.csv_dialect import Dialect
from easymtl.data.paths import DataFile
from easymtl.data.remote import explain, is_refusal
from easymtl.errors import UserError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_UTF16 = "UTF-16 text. CSV files are read as UTF-8: convert it with iconv -f UTF-16 -t UTF-8"
_UNPACK = "Only gzip is unpacked: write it again as plain or gzip CSV."
# First bytes that no CSV file has -> what the file is.
_OTHER_FORMATS = {
    b"PAR1": "a Parquet file. Set data_config.input_type to ParquetInput",
    b"\xff\xfe": _UTF16,
    b"\xfe\xff": _UTF16,
    b"PK\x03\x04": f"a zip file, or a spreadsheet. {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"a zstd file. {_UNPACK}",
    b"\xfd7zXZ\x00": f"an xz file. {_UNPACK}",
    b"\x04\x22\x4d\x18": f"an lz4 file. {_UNPACK}",
    b"BZh91AY&SY": f"a bzip2 file. {_UNPACK}",
    b"Obj\x01": "an Avro file. Write it as CSV or Parquet",
}
_MOST_HEADER_BYTES = 16 << 20
_MOST_MAGIC = max(map(len, _OTHER_FORMATS))


def is_gzip(file: DataFile) -> bool:
    """Returns whether the file starts as gzip files do."""
    return file.read_at(0, 2) == _GZIP


def open_stream(file: DataFile) -> pa.NativeFile:
    """Returns the text of a file as a stream, unpacked when it is gzip."""
    opened = file.open()
    return pa.CompressedInputStream(opened, "gzip") if is_gzip(file) else opened


def read_stream(stream: pa.NativeFile, size: int, file: DataFile) -> bytes:
    """Returns the next `size` bytes, fewer only at the end.

    Raises:
        UserError: a gzip file is truncated or damaged, or cannot be read.
    """
    try:
        return stream.read(size)
    except OSError as error:
        raise UserError(f"{file.name}: {_stream_problem(file, error)}") from None


def _stream_problem(file: DataFile, error: OSError) -> str:
    text = explain(file.name, error)
    if is_gzip(file) and not is_refusal(error):
        return f"the gzip file is truncated or damaged: {text} Write it again; `gzip -t` tells whether it is whole."
    return f"reading failed: {text}"


def head(file: DataFile, size: int) -> bytes:
    """Returns the first bytes of the text of a file, unpacked when it is gzip."""
    with open_stream(file) as stream:
        return read_stream(stream, size, file)


def read_header(file: DataFile, dialect: Dialect) -> tuple[list[str], int]:
    """Returns the names in the first line of a file, and the byte of its text at which the next line starts.

    Raises:
        UserError: it is no CSV file.
    """
    size, skip = 1 << 16, text_start(file)
    while True:
        data = head(file, size)
        border = first_border(data[skip:], dialect)
        if border or len(data) < size:
            break
        if size >= _MOST_HEADER_BYTES:
            # A few kilobytes of gzip may be gigabytes without a line end.
            raise UserError(
                f"{file.name}:1: the first line does not end within {size >> 20} MiB. Is this a CSV file? Where a "
                'quote that nothing closes stands in it, set data_config.quote: "".'
            )
        size = min(size * 8, _MOST_HEADER_BYTES)
    border = skip + border if border else len(data)
    text = data[skip:border].decode("utf-8", "replace")
    names: list[str] = next(dialect.reader(io.StringIO(text, newline="")), [])
    return names, border


def text_start(file: DataFile) -> int:
    """Returns the byte of the text at which the first line starts: behind a byte order mark, if one is there.

    Raises:
        UserError: it is no CSV file.
    """
    begin = head(file, _MOST_MAGIC)
    for magic, what in _OTHER_FORMATS.items():
        if begin.startswith(magic):
            raise UserError(f"{file.name}: this is {what.rstrip('.')}.")
    return len(_BYTE_ORDER_MARK) if begin.startswith(_BYTE_ORDER_MARK) else 0


def count_line_ends(data: bytes) -> int:
    """Returns the physical line ends: line feeds, and carriage returns that no line feed follows."""
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


def count_line_ends_before(file: DataFile, end: int) -> int:
    """Returns the physical line ends of a file before byte `end`."""
    count, start, previous = 0, 0, b""
    while start < end:
        data = file.read_at(start, min(8 << 20, end - start))
        if not data:
            break
        count += count_line_ends(data) - (previous == b"\r" and data.startswith(b"\n"))
        start, previous = start + len(data), data[-1:]
    return count
