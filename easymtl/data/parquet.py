"""Parquet files: a block is a row group."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from easymtl.data.blocks import Block
from easymtl.data.column_types import TEXT_KINDS, kind_of, plain_type
from easymtl.data.fields import Field
from easymtl.data.lists import is_list
from easymtl.data.partitions import partition_values
from easymtl.data.paths import DataFile
from easymtl.data.remote import explain, is_refusal
from easymtl.data.typed_columns import TypedSource, check_columns
from easymtl.errors import UserError

_MAGIC = b"PAR1"


class ParquetSource(TypedSource):
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
        schemas: dict[DataFile, pa.Schema] = {}
        of_folders: dict[DataFile, dict[str, pa.Scalar]] = {}
        blocks = []
        for file in files:
            with open_parquet(file) as opened:
                of_folders[file] = partition_values(file, fields.values())
                check_columns(file, opened.schema_arrow, fields, of_folders[file])
                self._metadata[file], schemas[file] = opened.metadata, opened.schema_arrow
                groups = [opened.metadata.row_group(number) for number in range(opened.num_row_groups)]
                if sum(group.num_rows for group in groups) != opened.metadata.num_rows:
                    raise UserError(
                        f"{file.name}: the Parquet footer is damaged: its row groups do not add up to its rows."
                    )
            blocks += [
                Block(file, number, group.total_byte_size, group.num_rows) for number, group in enumerate(groups)
            ]
        super().__init__(fields, blocks, schemas, of_folders, ignore_error)

    def _place(self, block: Block, row: int) -> str:
        return f"{block.file.name}: row {row} (row group {block.start})"

    def _first_row(self, block: Block) -> int:
        """Returns the number in the file, from 1 on, of the first row of a row group."""
        metadata = self._metadata[block.file]
        return 1 + sum(metadata.row_group(number).num_rows for number in range(block.start))

    def _batches(self, block: Block, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yields what the file holds of columns, and of those tags whose weights are among them."""
        schema, wanted = self._schemas[block.file], self._wanted(block, names)
        strings = [name for name in wanted if kind_of(schema.field(name).type) in TEXT_KINDS and self._is_text(name)]
        strings += [path for name in wanted for path in self._paths_of_items(block.file, name)]
        with open_parquet(block.file, strings, self._metadata[block.file]) as opened:
            batches = opened.iter_batches(self._batch_rows, [block.start], wanted, use_threads=self.uses_threads)
            while True:
                try:
                    batch = next(batches, None)
                    if batch is not None:
                        require_entries(batch)
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
            # UUIDs come as such whoever has written the file.
            arrow_extensions_enabled=True,
            # Few large requests to a server; a local file is better read column by column.
            pre_buffer=file.is_remote,
            page_checksum_verification=True,
        )
    # A name of a column may be damaged, and no text.
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise UserError(_no_parquet(file, error)) from None


def require_entries(batch: pa.RecordBatch) -> None:
    """Checks what Arrow does not when it reads: that columns of numbered texts, and lists of them, have those numbers.

    Raises:
        ArrowInvalid: a damaged file names a text that is not there.
    """
    for name, column in zip(batch.schema.names, batch.columns):
        while is_list(column.type):
            column = column.values
        if pa.types.is_dictionary(column.type):
            most = pc.max(column.indices).as_py()
            if most is not None and most >= len(column.dictionary):
                raise pa.ArrowInvalid(f'column "{name}" has text {most} of a dictionary of {len(column.dictionary)}')


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
