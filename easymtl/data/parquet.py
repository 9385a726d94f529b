"""Parquet files: a block is a row group."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.casts import NONE
from easymtl.data.column_types import TEXT_KINDS, convert, kind_of, plain_type
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import Field
from easymtl.data.lists import is_list
from easymtl.data.paired_lists import pair_lists, unpaired_problem
from easymtl.data.partitions import contradiction, other_value, partition_values, repeat
from easymtl.data.paths import DataFile
from easymtl.data.remote import explain, is_refusal
from easymtl.data.type_problems import type_problem, why_not
from easymtl.errors import UserError, did_you_mean, quoted

_MAGIC = b"PAR1"


class _Column(NamedTuple):
    """A column of a batch.

    Attributes:
        found: `[n]`, as it is in the file.
        values: `[n]`, as declared.
        bad: the rows whose value does not fit.
        unpaired: those of them whose weights no longer stand beside their tags.
    """

    found: pa.Array
    values: pa.Array
    bad: np.ndarray
    unpaired: np.ndarray


class ParquetSource(Source):
    """Parquet files; columns of another type than declared are converted where nothing is lost.

    Attributes:
        fields: the columns that are read, by name, in order.
        blocks: the row groups in the order of the files.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        declared: dict[str, Field],
        columns: Sequence[str],
        ignore_error: bool = False,
        batch_rows: int = 65536,
    ):
        """Reads the metadata of the files.

        Args:
            files: what to read.
            declared: the declared columns by name.
            columns: the columns to read.
            ignore_error: leave out and count rows whose text does not parse.
            batch_rows: the largest number of rows of a record batch.

        Raises:
            UserError: a file is no Parquet file, or a column is missing or of a type that cannot be converted.
        """
        fields = {name: declared[name] for name in columns}
        self._batch_rows = batch_rows
        self._metadata: dict[DataFile, pyarrow.parquet.FileMetaData] = {}
        self._schemas: dict[DataFile, pa.Schema] = {}
        self._of_folders: dict[DataFile, dict[str, pa.Scalar]] = {}
        blocks = []
        for file in files:
            with open_parquet(file) as opened:
                self._of_folders[file] = partition_values(file, fields.values())
                _check_columns(file, opened.schema_arrow, fields, self._of_folders[file])
                self._metadata[file], self._schemas[file] = opened.metadata, opened.schema_arrow
                groups = [opened.metadata.row_group(number) for number in range(opened.num_row_groups)]
                if sum(group.num_rows for group in groups) != opened.metadata.num_rows:
                    raise UserError(
                        f"{file.name}: the Parquet footer is damaged: its row groups do not add up to its rows."
                    )
            blocks += [
                Block(file, number, group.total_byte_size, group.num_rows) for number, group in enumerate(groups)
            ]
        fields = {name: self._found(field) for name, field in fields.items()}
        self._defaults = [None if field.as_found else default_scalar(field) for field in fields.values()]
        super().__init__(fields, blocks, ignore_error)
        for file in self._schemas:
            self._check_types(file)

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time."""
        row = self._first_row(block)
        for batch in self._batches(block, list(self.fields)):
            yield self._convert(block, batch, row)
            row += batch.num_rows

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns file and row of the first row of a row group in which a column holds a value, or None."""
        # A value of a list is its text.
        field, row = replace(self.fields[name], has_items=False), self._first_row(block)
        default = self._defaults[list(self.fields).index(name)]
        for batch in self._batches(block, [name]):
            column = fill_empty(self._read_column(block.file, batch, field).values, default)
            texts = column.cast(pa.string()) if isinstance(value, str) else column
            # Unlike pc.index, pc.is_in takes one NaN for another.
            place = pc.index(pc.is_in(texts, pa.array([value], texts.type)), True).as_py()
            if place >= 0:
                return self._place(block, row + place)
            row += batch.num_rows
        return None

    def _found(self, field: Field) -> Field:
        """Returns a field as it is read: what nothing reads is handed on as it is, where it cannot be as declared."""
        found = {schema.field(field.name).type for schema in self._schemas.values() if field.name in schema.names}
        is_in_folders = any(field.name in values for values in self._of_folders.values())
        if field.has_items:
            # What is a text in some files, or in empty rows, is a text everywhere.
            is_all = all(is_list(plain_type(kind)) for kind in found) and not is_in_folders
            return replace(field, has_items=is_all and field.default is None)
        if field.form.is_read or len(found) != 1 or is_in_folders:
            return field
        (kind,) = found
        return replace(field, as_found=kind) if type_problem(kind, field) else field

    def _check_types(self, file: DataFile) -> None:
        schema = self._schemas[file]
        for field in self.fields.values():
            if field.as_found is None and field.name in schema.names:
                problem = type_problem(schema.field(field.name).type, field)
                if problem:
                    raise UserError(f"{file.name}: {problem}")

    def _place(self, block: Block, row: int) -> str:
        return f"{block.file.name}: row {row} (row group {block.start})"

    def _first_row(self, block: Block) -> int:
        """Returns the number in the file, from 1 on, of the first row of a row group."""
        metadata = self._metadata[block.file]
        return 1 + sum(metadata.row_group(number).num_rows for number in range(block.start))

    def _batches(self, block: Block, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yields what the file holds of columns, and of those tags whose weights are among them."""
        tags = [tag for name in names for tag in self.fields[name].form.tags]
        schema = self._schemas[block.file]
        wanted = [name for name in dict.fromkeys([*names, *tags]) if name in schema.names]
        strings = [name for name in wanted if kind_of(schema.field(name).type) in TEXT_KINDS and self._is_text(name)]
        strings += [path for name in wanted for path in self._paths_of_items(block.file, name)]
        with open_parquet(block.file, strings, self._metadata[block.file]) as opened:
            batches = opened.iter_batches(self._batch_rows, [block.start], wanted)
            while True:
                try:
                    batch = next(batches, None)
                except (OSError, pa.ArrowException) as error:
                    raise UserError(_damage(block.file, error, block.start)) from None
                if batch is None:
                    return
                yield batch

    def _paths_of_items(self, file: DataFile, name: str) -> list[str]:
        """Returns where the texts lie that are items of a column, such as `name.list.element`; none of other lists."""
        if name not in self.fields or not self.fields[name].has_items:
            return []
        kind = plain_type(self._schemas[file].field(name).type)
        while is_list(kind):
            kind = kind.value_type
        if kind_of(kind) not in TEXT_KINDS:
            return []
        columns = self._metadata[file].schema
        paths = [columns.column(place).path for place in range(len(columns))]
        return [path for path in paths if path.startswith(f"{name}.")]

    def _is_text(self, name: str) -> bool:
        return name in self.fields and self.fields[name].type == pa.string()

    def _read_column(self, file: DataFile, batch: pa.RecordBatch, field: Field) -> _Column:
        if field.name not in batch.schema.names:
            column = repeat(self._of_folders[file][field.name], batch.num_rows, field)
            return _Column(column, column, NONE, NONE)
        found, unpaired = pair_lists(batch, field)
        values, bad = convert(found, field)
        return _Column(found, values, np.union1d(bad, unpaired) if len(unpaired) else bad, unpaired)

    def _convert(self, block: Block, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        arrays = []
        bad: set[int] = set()
        for field, default in zip(self.fields.values(), self._defaults):
            column = self._read_column(block.file, batch, field)
            self._check_folder(block, field, column.values)
            arrays.append(fill_empty(column.values, default))
            if len(column.bad):
                self._report(block, column, field, bad, row)
        # Each place counts the good rows alone.
        self.skipped.place([row - number for number, row in enumerate(sorted(bad))])
        result = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return result.filter(pa.array([row not in bad for row in range(len(result))])) if bad else result

    def _check_folder(self, block: Block, field: Field, column: pa.Array) -> None:
        """Checks that a column of the file does not say something else than the name of its folder."""
        if field.name not in self._of_folders[block.file] or field.name not in self._schemas[block.file].names:
            return
        other = other_value(column, self._of_folders[block.file][field.name])
        if other is not None:
            place = self.find(block, field.name, other) or block.file.name
            raise UserError(contradiction(place, field, other))

    def _report(self, block: Block, column: _Column, field: Field, bad: set[int], row: int) -> None:
        first = int(column.bad[0])
        why = unpaired_problem(field) if first in column.unpaired else why_not(column.found, first, field)
        problem = f"{self._place(block, row + first)}: {why}"
        if not self.ignore_error:
            raise UserError(f"{problem} Correct it, or set data_config.ignore_error to leave out such rows.")
        new = set(column.bad.tolist()) - bad
        if new:
            self.skipped.add(problem, len(new))
        bad |= new


def open_parquet(
    file: DataFile,
    read_dictionary: Sequence[str] = (),
    metadata: pyarrow.parquet.FileMetaData | None = None,
) -> pyarrow.parquet.ParquetFile:
    """Returns the file; its metadata are read unless they are given.

    Raises:
        UserError: it is gone, truncated or no Parquet file.
    """
    opened = file.open()
    try:
        return pyarrow.parquet.ParquetFile(
            opened,
            metadata=metadata,
            read_dictionary=list(read_dictionary),
            # Few large requests to a server; a local file is better read column by column.
            pre_buffer=file.is_remote,
            page_checksum_verification=True,
        )
    except (OSError, pa.ArrowException) as error:
        raise UserError(_no_parquet(file, error)) from None


def _no_parquet(file: DataFile, error: Exception) -> str:
    if is_refusal(error):
        return f"{file.name}: reading failed: {explain(file.name, error)}"
    if not file.size:
        return f"{file.name}: the file is empty (0 bytes), and no Parquet file. Write it again, or remove it."
    begin = file.read_at(0, len(_MAGIC))
    if begin == _MAGIC:
        return (
            f"{file.name}: this Parquet file is truncated, damaged or still being written: {_sentence(error)} "
            "Write it again; while a job writes, read its finished files only."
        )
    stray = f'If it is no data, move it away from "{file.found_in}". ' if file.found_in else ""
    return (
        f"{file.name}: this is no Parquet file: {_sentence(error)} {stray}"
        "For text files set data_config.input_type to CSVInput."
    )


def _damage(file: DataFile, error: Exception, group: int) -> str:
    if is_refusal(error):
        return f"{file.name}: reading row group {group} failed: {explain(file.name, error)}"
    return (
        f"{file.name}: row group {group} is truncated or damaged, or the file was replaced: {_sentence(error)} "
        "Write the file again, or take it out of the input path; its other rows are not read without it."
    )


def _sentence(error: Exception) -> str:
    return f"{str(error).strip().rstrip('.')}."


def _check_columns(file: DataFile, schema: pa.Schema, names: Iterable[str], folders: Collection[str]) -> None:
    for name in names:
        if schema.names.count(name) == 1 or (name in folders and name not in schema.names):
            continue
        times = "is there more than once"
        if name not in schema.names:
            times = "is not in the file" + (f", and no folder is named {name}=..." if "=" in file.path else "")
        raise UserError(
            f'{file.name}: column "{name}" {times} ({quoted(schema.names)}).{did_you_mean(name, schema.names)}'
        )
