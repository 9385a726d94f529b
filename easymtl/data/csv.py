"""CSV files, plain and gzip, as blocks of whole records."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.csv

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.convert import default_scalar, fill_empty, parse_text
from easymtl.data.csv_borders import last_border, open_quote
from easymtl.data.csv_rows import NO_UTF8, Layout, read_carefully, read_records
from easymtl.data.csv_text import (
    check_separator,
    count_line_ends,
    count_line_ends_before,
    is_gzip,
    open_stream,
    read_header,
    read_stream,
    text_start,
)
from easymtl.data.fields import Field
from easymtl.data.paths import DataFile, read_open
from easymtl.errors import UserError, did_you_mean, quoted

# A longer record has a quote that nothing closes.
_MAX_RECORD_BYTES = 64 << 20
_CAREFUL_BYTES = 64 << 10


class CsvSource(Source):
    """CSV files cut into blocks at record borders; a gzip file is one block of several record batches.

    A gzip file cannot be entered in the middle: whoever resumes inside of one reads it again from its start.

    Attributes:
        fields: the columns that are read, by name, in order.
        blocks: the blocks in the order of the files.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        declared: dict[str, Field],
        columns: Sequence[str],
        separator: str = ",",
        with_header: bool = False,
        ignore_error: bool = False,
        block_bytes: int = 8 << 20,
    ):
        """Finds the records at which the files are cut.

        Args:
            files: what to read.
            declared: all columns of files without header, in order.
            columns: the columns to read.
            separator: one ASCII character.
            with_header: whether the first line of each file names its columns.
            ignore_error: leave out and count rows that do not parse.
            block_bytes: the largest size of a block, unless one record is larger.

        Raises:
            UserError: the separator is not one ASCII character, a column is missing, or a file cannot be read.
        """
        self.separator = check_separator(separator)
        self._byte = self.separator.encode()
        self._block_bytes = block_bytes
        self._defaults = [default_scalar(declared[name]) for name in columns]
        self._layouts: dict[DataFile, Layout] = {}
        self._data_starts: dict[DataFile, int] = {}
        fields = {name: declared[name] for name in columns}
        blocks = []
        for file in files:
            if file not in self._layouts:
                self._inspect(file, fields, declared, with_header)
            blocks += self._cut(file)
        super().__init__(fields, blocks, ignore_error)

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time."""
        if block.is_stream:
            for data, line in self._unpack(block.file):
                yield self._parse(data, block.file, partial(int, line))
            return
        data = block.file.read_at(block.start, block.size)
        if len(data) < block.size:
            raise UserError(
                f"{block.file.name}: the file was cut short while it was read: {block.size} bytes were there at "
                f"byte {block.start}, now {len(data)}."
            )

        def first_line() -> int:
            return 1 + count_line_ends_before(block.file, block.start)

        if block.start + block.size == block.file.size:
            self._check_quotes(data, block.file, first_line)
        yield self._parse(data, block.file, first_line)

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns `file:line` of the first record of a block in which a column holds a value, or None."""
        layout = self._layouts[block.file]
        number = list(self.fields).index(name)
        default = self._defaults[number]
        is_empty_wanted = default is not None and default.as_py() == value
        kind = self.fields[name].type
        for data, line in self._pieces(block):
            for place, record in read_records(data, block.file.name, line, self.separator):
                if len(record) != layout.num_columns:
                    continue
                text = record[layout.positions[number]]
                if is_empty_wanted if text == "" else _stands_for(text, value, kind):
                    return f"{block.file.name}:{place}"
        return None

    def _pieces(self, block: Block) -> Iterator[tuple[bytes, int]]:
        """Yields whole records of a block and the physical line at which they start."""
        if block.is_stream:
            yield from self._unpack(block.file)
        else:
            yield block.file.read_at(block.start, block.size), 1 + count_line_ends_before(block.file, block.start)

    def _inspect(self, file: DataFile, fields: dict[str, Field], declared: dict[str, Field], header: bool) -> None:
        start = 0
        if header:
            names, start = read_header(file, self.separator)
            if not names and start > text_start(file):
                raise UserError(
                    f"{file.name}:1: the first line is blank. data_config.with_header says that it names the columns."
                )
            positions = [_position(file, name, names) for name in fields] if names else []
        else:
            names = list(declared)
            positions = [names.index(name) for name in fields]
            start = text_start(file)
        self._layouts[file] = Layout(self.separator, len(names), positions, header)
        self._data_starts[file] = start

    def _cut(self, file: DataFile) -> list[Block]:
        start = self._data_starts[file]
        if is_gzip(file):
            return [Block(file, 0, file.size, is_stream=True)]
        blocks = []
        with file.open() as opened:
            while start < file.size:
                length = self._block_length(file, opened, start)
                blocks.append(Block(file, start, length))
                start += length
        return blocks

    def _block_length(self, file: DataFile, opened: pa.NativeFile, start: int) -> int:
        """Returns the bytes from the record at `start` to the last border within the size of a block."""
        size = self._block_bytes
        while start + size < file.size:
            data = read_open(opened, start, size, file)
            length = last_border(data, self._byte)
            if length:
                return length
            self._check_record_size(data, file, lambda: 1 + count_line_ends_before(file, start))
            size *= 2
        return file.size - start

    def _check_record_size(self, data: bytes, file: DataFile, first_line: Callable[[], int]) -> None:
        if len(data) >= _MAX_RECORD_BYTES:
            self._check_quotes(data, file, first_line)
            raise UserError(
                f"{file.name}:{first_line()}: a record starts here and does not end within {len(data)} bytes. "
                "Is this a CSV file?"
            )

    def _check_quotes(self, data: bytes, file: DataFile, first_line: Callable[[], int]) -> None:
        quote = open_quote(data, self._byte)
        if quote >= 0:
            line = first_line() + count_line_ends(data[:quote])
            raise UserError(
                f"{file.name}:{line}: a quoted field starts here and nothing closes it. "
                "Close it, or double a quote that stands for itself inside of quotes."
            )

    def _unpack(self, file: DataFile) -> Iterator[tuple[bytes, int]]:
        """Yields whole records of a gzip file and the physical line at which they start."""
        stream = open_stream(file)
        line = 1 + count_line_ends(read_stream(stream, self._data_starts[file], file))
        rest = b""
        while True:
            first_line = partial(int, line)
            piece = read_stream(stream, self._block_bytes, file)
            data = rest + piece
            length = last_border(data, self._byte) if piece else len(data)
            if not piece:
                self._check_quotes(data, file, first_line)
            if length:
                yield data[:length], line
                line += count_line_ends(data[:length])
            elif data:
                self._check_record_size(data, file, first_line)
            rest = data[length:]
            if not piece:
                return

    def _parse(self, data: bytes, file: DataFile, first_line: Callable[[], int]) -> pa.RecordBatch:
        arrays = self._parse_columns(data, file, first_line)
        arrays = [fill_empty(array, default) for array, default in zip(arrays, self._defaults)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _parse_columns(self, data: bytes, file: DataFile, first_line: Callable[[], int]) -> list[pa.Array]:
        layout = self._layouts[file]
        try:
            return self._parse_fast(data, layout)
        except pa.ArrowInvalid:
            # Reading with care is slow: halve the data until what does not parse is in a small part.
            middle = last_border(data[: len(data) // 2], self._byte) if len(data) > _CAREFUL_BYTES else 0
        if not middle:
            skipped = self.skipped if self.ignore_error else None
            return read_carefully(data, file.name, first_line(), list(self.fields.values()), layout, skipped)
        left = self._parse_columns(data[:middle], file, first_line)
        line = first_line() + count_line_ends(data[:middle])
        num_places = len(self.skipped.places)
        right = self._parse_columns(data[middle:], file, partial(int, line))
        self.skipped.shift(num_places, len(left[0]))
        return [pa.concat_arrays(pair) for pair in zip(left, right)]

    def _parse_fast(self, data: bytes, layout: Layout) -> list[pa.Array]:
        if not data.strip(b"\r\n"):
            return [pa.array([], field.column_type) for field in self.fields.values()]
        # Columns are named by their place: names in a header may be empty or repeated where they are not read.
        wanted = [str(position) for position in layout.positions]
        types = {name: field.column_type for name, field in zip(wanted, self.fields.values())}
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(
                column_names=[str(position) for position in range(layout.num_columns)],
                # One block, so that a string column has one dictionary.
                block_size=len(data) + 1,
            ),
            pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=b'"' in data),
            pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        return [_one_array(table.column(name)) for name in wanted]


def _stands_for(text: str, value: Value, kind: pa.DataType) -> bool:
    if isinstance(value, str):
        return text == value
    values, _ = parse_text(pa.array([text]), kind)
    return values[0].as_py() == value


def _position(file: DataFile, name: str, names: list[str]) -> int:
    if names.count(name) == 1:
        return names.index(name)
    if name in names:
        raise UserError(f'{file.name}:1: the header names column "{name}" {names.count(name)} times. Keep one.')
    if any("\N{REPLACEMENT CHARACTER}" in text for text in names):
        raise UserError(
            f'{file.name}:1: column "{name}" is not in the header, and the header is no UTF-8 text. '
            f"Is this a CSV file? {NO_UTF8}"
        )
    raise UserError(
        f'{file.name}:1: column "{name}" is not in the header ({quoted(names)}).{did_you_mean(name, names)}'
    )


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
