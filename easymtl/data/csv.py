"""CSV files, plain and gzip, as blocks of whole records."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import pyarrow as pa

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.convert import default_scalar, fill_empty, parse_text
from easymtl.data.csv_blocks import cut_blocks, require_closed_quotes, unpack
from easymtl.data.csv_borders import last_border
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_rows import NO_UTF8, Layout, read_carefully, read_fast, read_records
from easymtl.data.csv_swallowed import Swallowed
from easymtl.data.csv_text import count_line_ends, count_line_ends_before, read_header, text_start
from easymtl.data.fields import Field
from easymtl.data.partitions import contradiction, other_value, partition_texts, partition_values, repeat
from easymtl.data.paths import DataFile
from easymtl.errors import UserError, did_you_mean, quoted

_CAREFUL_BYTES = 64 << 10
# From so many rows on it is told whether a column hardly repeats.
_ENOUGH_ROWS = 1000
# The share of distinct texts from which on it costs less to encode all: those of lists are split.
_MANY, _MANY_OF_LISTS = 0.2, 0.8
# Read to count rows where no column of a file is wanted.
_ANY_TEXT = Field("", pa.string(), None)


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
        dialect: Dialect,
        with_header: bool = False,
        ignore_error: bool = False,
        block_bytes: int = 8 << 20,
        items: Collection[str] = (),
    ):
        """Finds the records at which the files are cut.

        Args:
            files: what to read.
            declared: all columns of files without header, in order.
            columns: the columns to read.
            dialect: how columns are separated and quoted.
            with_header: whether the first line of each file names its columns.
            ignore_error: leave out and count rows that do not parse.
            block_bytes: the largest size of a block, unless one record is larger.
            items: columns whose texts may be held row by row, where they hardly repeat.

        Raises:
            UserError: a column is missing, or a file cannot be read.
        """
        self.dialect = dialect
        self._block_bytes = block_bytes
        self._defaults = [default_scalar(declared[name]) for name in columns]
        # A default is looked for among the distinct values.
        of_items = [name for name, default in zip(columns, self._defaults) if name in items and default is None]
        self._may_be_by_row = {name for name in of_items if declared[name].type == pa.string()}
        # Which of them are: found out by the first block, and what is read is the same.
        self._by_row: set[str] = set()
        self._layouts: dict[DataFile, Layout] = {}
        self._swallowed = Swallowed()
        self._data_starts: dict[DataFile, int] = {}
        self._of_folders: dict[DataFile, dict[str, pa.Scalar]] = {}
        fields = {name: declared[name] for name in columns}
        blocks = []
        for file in files:
            if file not in self._layouts:
                self._inspect(file, fields, declared, with_header)
            blocks += cut_blocks(file, self._data_starts[file], block_bytes, dialect)
        super().__init__(fields, blocks, ignore_error)

    def warnings(self) -> list[str]:
        """Returns a sentence on quoted fields that seem to hold rows, if there are any."""
        return self._swallowed.warnings()

    def has_warned(self, block: Block) -> bool:
        """Returns whether quoted fields of a block seem to hold rows."""
        return self._swallowed.is_in(block)

    def scan(self, block: Block) -> Iterator[int]:
        """Looks at the quotes of a block without reading its rows; yields the bytes looked at, piece by piece.

        Raises:
            UserError: a quote is never closed.
        """
        for data, line in self._pieces(block):
            if not block.is_stream and block.start + block.size == block.file.size:
                require_closed_quotes(data, block.file, partial(int, line), self.dialect)
            place = line if block.is_stream else block.start
            self._swallowed.look(data, block.file, place, partial(int, line), self._layouts[block.file])
            yield len(data)

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time."""
        if block.is_stream:
            for data, line in self._pieces(block):
                yield self._parse(data, block.file, line, partial(int, line))
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
            require_closed_quotes(data, block.file, first_line, self.dialect)
        yield self._parse(data, block.file, block.start, first_line)

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns `file:line` of the first record of a block in which a column holds a value, or None."""
        layout, field = self._layouts[block.file], self.fields[name]
        default = self._defaults[list(self.fields).index(name)]
        if field not in layout.fields:
            of_folder = fill_empty(repeat(self._of_folders[block.file][name], 1, field), default)[0].as_py()
            if not _is_same(of_folder, value):
                return None
            return next((f"{block.file.name}:{place}" for place, _ in self._records(block)), None)
        position = layout.positions[layout.fields.index(field)]
        for place, record in self._records(block):
            if _is_same(_value(record[position], field, default), value):
                return f"{block.file.name}:{place}"
        return None

    def _records(self, block: Block) -> Iterator[tuple[int, list[str]]]:
        """Yields line and texts of the records of a block that have the right width."""
        layout = self._layouts[block.file]
        for data, line in self._pieces(block):
            for place, record in read_records(data, block.file.name, line, self.dialect):
                if len(record) == layout.num_columns:
                    yield place, record

    def _pieces(self, block: Block) -> Iterator[tuple[bytes, int]]:
        """Yields whole records of a block and the physical line at which they start."""
        if block.is_stream:
            yield from unpack(block.file, self._data_starts[block.file], self._block_bytes, self.dialect)
        else:
            yield block.file.read_at(block.start, block.size), 1 + count_line_ends_before(block.file, block.start)

    def _inspect(self, file: DataFile, fields: dict[str, Field], declared: dict[str, Field], header: bool) -> None:
        start = 0
        folders = self._of_folders[file] = partition_values(file, fields.values())
        if header:
            names, start = read_header(file, self.dialect)
            if not names and start > text_start(file):
                raise UserError(
                    f"{file.name}:1: the first line is blank. data_config.with_header says that it names the columns."
                )
        else:
            names = self._names_by_place(file, declared)
            start = text_start(file)
        held = [field for name, field in fields.items() if names and (name in names or name not in folders)]
        positions = [_position(file, field.name, names) if header else names.index(field.name) for field in held]
        if names and not held:
            held, positions = [_ANY_TEXT], [0]
        self._layouts[file] = Layout(self.dialect, len(names), positions, header, held)
        self._data_starts[file] = start

    def _names_by_place(self, file: DataFile, declared: dict[str, Field]) -> list[str]:
        """Returns the columns of a file without header: all, or, where so many are there, those of no folder."""
        names, folders = list(declared), partition_texts(file)
        rest = [name for name in names if name not in folders]
        if len(rest) == len(names):
            return names
        first, _ = read_header(file, self.dialect)
        return rest if len(first) == len(rest) else names

    def _parse(self, data: bytes, file: DataFile, place: int, first_line: Callable[[], int]) -> pa.RecordBatch:
        """Returns the rows of a piece of text; `place` tells it from the other pieces of its file."""
        columns = self._parse_columns(data, file, first_line)
        # As many rows as lines: no line end is quoted.
        if self.dialect.is_quoted(data) and len(columns[0]) < count_line_ends(data.rstrip(b"\r\n")) + 1:
            self._swallowed.look(data, file, place, first_line, self._layouts[file])
        held = dict(zip((field.name for field in self._layouts[file].fields), columns))
        folders = self._of_folders[file]
        arrays = []
        for field, default in zip(self.fields.values(), self._defaults):
            array = held[field.name] if field.name in held else repeat(folders[field.name], len(columns[0]), field)
            if field.name in held and field.name in folders:
                self._check_folder(file, field, array, folders[field.name])
            arrays.append(fill_empty(array, default))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _check_folder(self, file: DataFile, field: Field, column: pa.Array, value: pa.Scalar) -> None:
        """Checks that a column of the file does not say something else than the name of its folder."""
        other = other_value(column, value)
        if other is not None:
            blocks = (block for block in self.blocks if block.file == file)
            places = (self.find(block, field.name, other) for block in blocks)
            raise UserError(contradiction(next(filter(None, places), file.name), field, other))

    def _parse_columns(self, data: bytes, file: DataFile, first_line: Callable[[], int]) -> list[pa.Array]:
        layout = self._layouts[file]
        try:
            columns = read_fast(data, layout, frozenset(self._by_row), self.uses_threads)
            self._look_for_repeats(layout.fields, columns)
            return columns
        except pa.ArrowInvalid:
            # Reading with care is slow: halve the data until what does not parse is in a small part.
            middle = last_border(data[: len(data) // 2], self.dialect) if len(data) > _CAREFUL_BYTES else 0
        if not middle:
            skipped = self.skipped if self.ignore_error else None
            return read_carefully(data, file.name, first_line(), layout, skipped)
        left = self._parse_columns(data[:middle], file, first_line)
        line = first_line() + count_line_ends(data[:middle])
        num_places = len(self.skipped.places)
        right = self._parse_columns(data[middle:], file, partial(int, line))
        self.skipped.shift(num_places, len(left[0]))
        return [pa.concat_arrays(pair) for pair in zip(left, right)]

    def _look_for_repeats(self, fields: Sequence[Field], columns: Sequence[pa.Array]) -> None:
        """Notes which columns are read row by row from now on: those of many distinct texts."""
        for field, column in zip(fields, columns):
            if field.name in self._may_be_by_row - self._by_row and len(column) >= _ENOUGH_ROWS:
                many = _MANY_OF_LISTS if field.form.separators else _MANY
                if len(column.dictionary) > many * len(column):
                    self._by_row.add(field.name)


def _value(text: str, field: Field, default: pa.Scalar | None) -> Value | None:
    """Returns what a text of a field is read as, its default in place of a missing value."""
    if field.type == pa.string():
        return text or (default.as_py() if default else None)
    values, _ = parse_text(pa.array([text]), field.type)
    return fill_empty(values, default)[0].as_py()


def _is_same(found: Value | None, value: Value) -> bool:
    """Returns whether two values are the same; one NaN is as good as another."""
    return found == value or (found is not None and found != found and value != value)


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
