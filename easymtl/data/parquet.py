"""Parquet files: a block is a row group."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.convert import ALLOWED, default_scalar, fill_empty, parse_text
from easymtl.data.fields import DICTIONARY, Field
from easymtl.data.paths import DataFile
from easymtl.data.remote import explain, is_refusal
from easymtl.errors import UserError, did_you_mean, quoted

_NONE = np.empty(0, np.int64)
_MAGIC = b"PAR1"


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
        self._defaults = [default_scalar(field) for field in fields.values()]
        self._metadata: dict[DataFile, pyarrow.parquet.FileMetaData] = {}
        blocks = []
        for file in files:
            with open_parquet(file) as opened:
                _check_types(file, opened.schema_arrow, fields)
                self._metadata[file] = opened.metadata
                groups = [opened.metadata.row_group(number) for number in range(opened.num_row_groups)]
                if sum(group.num_rows for group in groups) != opened.metadata.num_rows:
                    raise UserError(
                        f"{file.name}: the Parquet footer is damaged: its row groups do not add up to its rows."
                    )
            blocks += [
                Block(file, number, group.total_byte_size, group.num_rows) for number, group in enumerate(groups)
            ]
        super().__init__(fields, blocks, ignore_error)

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time."""
        row = self._first_row(block)
        for batch in self._batches(block, list(self.fields)):
            yield self._convert(block, batch, row)
            row += batch.num_rows

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns file and row of the first row of a row group in which a column holds a value, or None."""
        field, row = self.fields[name], self._first_row(block)
        default = self._defaults[list(self.fields).index(name)]
        for batch in self._batches(block, [name]):
            column = fill_empty(_convert(batch.column(name), field, block.file)[0], default)
            texts = column.cast(pa.string()) if isinstance(value, str) else column
            place = pc.index(texts, pa.scalar(value, texts.type)).as_py()
            if place >= 0:
                return f"{block.file.name}: row {row + place} (row group {block.start})"
            row += batch.num_rows
        return None

    def _first_row(self, block: Block) -> int:
        """Returns the number in the file, from 1 on, of the first row of a row group."""
        metadata = self._metadata[block.file]
        return 1 + sum(metadata.row_group(number).num_rows for number in range(block.start))

    def _batches(self, block: Block, names: list[str]) -> Iterator[pa.RecordBatch]:
        strings = [name for name in names if self.fields[name].type == pa.string()]
        with open_parquet(block.file, strings, self._metadata[block.file]) as opened:
            batches = opened.iter_batches(self._batch_rows, [block.start], names)
            while True:
                try:
                    batch = next(batches, None)
                except (OSError, pa.ArrowException) as error:
                    raise UserError(_damage(block.file, error, block.start)) from None
                if batch is None:
                    return
                yield batch

    def _convert(self, block: Block, batch: pa.RecordBatch, row: int) -> pa.RecordBatch:
        arrays = []
        bad: set[int] = set()
        for field, default in zip(self.fields.values(), self._defaults):
            array, bad_rows = _convert(batch.column(field.name), field, block.file)
            arrays.append(fill_empty(array, default))
            if len(bad_rows):
                self._report(block, batch.column(field.name), field, bad_rows, bad, row)
        # Each place counts the good rows alone.
        self.skipped.place([row - number for number, row in enumerate(sorted(bad))])
        result = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return result.filter(pa.array([row not in bad for row in range(len(result))])) if bad else result

    def _report(
        self, block: Block, column: pa.Array, field: Field, bad_rows: np.ndarray, bad: set[int], row: int
    ) -> None:
        first = int(bad_rows[0])
        problem = (
            f'{block.file.name}: row {row + first} (row group {block.start}): column "{field.name}" holds '
            f'"{column[first].as_py()}", which is no {field.type_name} ({ALLOWED[field.type]}).'
        )
        if not self.ignore_error:
            raise UserError(f"{problem} Correct it, or set data_config.ignore_error to leave out such rows.")
        new = {int(row) for row in bad_rows} - bad
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
    return (
        f"{file.name}: this is no Parquet file: {_sentence(error)} "
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


def _check_types(file: DataFile, schema: pa.Schema, fields: dict[str, Field]) -> None:
    for name, field in fields.items():
        if schema.names.count(name) != 1:
            times = "is not in the file" if name not in schema.names else "is there more than once"
            raise UserError(
                f'{file.name}: column "{name}" {times} ({quoted(schema.names)}).{did_you_mean(name, schema.names)}'
            )
        found = schema.field(name).type
        if not _is_convertible(found):
            raise UserError(_type_problem(file, field, found))


def _is_convertible(found: pa.DataType) -> bool:
    values = found.value_type if pa.types.is_dictionary(found) else found
    return (
        _is_text(values)
        or pa.types.is_integer(values)
        or pa.types.is_floating(values)
        or pa.types.is_boolean(values)
        or pa.types.is_null(values)
    )


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or kind in (pa.string_view(), pa.binary_view())
    )


def _type_problem(file: DataFile, field: Field, found: pa.DataType, reason: str = "") -> str:
    values = found.value_type if pa.types.is_dictionary(found) else found
    return (
        f'{file.name}: column "{field.name}" is {values} in the file and declared {field.type_name}'
        f"{reason or ', which it cannot become'}. Change its input_type in data_config.input_fields, or the file."
    )


def _convert(column: pa.Array, field: Field, file: DataFile) -> tuple[pa.Array, np.ndarray]:
    """Returns the column as declared, and the rows whose text does not parse."""
    found = column.type
    if found == field.column_type:
        return column, _NONE
    try:
        if field.type == pa.string():
            return _to_dictionary(column), _NONE
        values = column.dictionary_decode() if pa.types.is_dictionary(found) else column
        if _is_text(values.type):
            return parse_text(values.cast(pa.string()), field.type)
        return _cast_number(values, field.type), _NONE
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = f"; converting it failed: {str(error).rstrip('.')}"
        raise UserError(_type_problem(file, field, found, reason)) from None


def _to_dictionary(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices.cast(pa.int32()), column.dictionary.cast(pa.string()))
    return column.cast(pa.string()).dictionary_encode().cast(DICTIONARY)


def _cast_number(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Returns the numbers in another type; whole numbers must stay what they are, decimals may lose digits."""
    if pa.types.is_floating(kind):
        return values.cast(kind, safe=False)
    if pa.types.is_boolean(kind) and not pa.types.is_boolean(values.type):
        odd = pc.invert(pc.is_in(values, pa.array([0, 1]).cast(values.type)))
        if pc.any(pc.and_(odd, pc.is_valid(values))).as_py():
            raise pa.ArrowInvalid("a value is neither 0 nor 1")
    return values.cast(kind)
