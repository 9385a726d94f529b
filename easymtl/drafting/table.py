"""What is drafted from: files of Parquet or CSV, or a table in memory, read once from front to back."""

import codecs
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_text import head
from easymtl.data.parquet import open_parquet
from easymtl.data.partitions import partition_texts
from easymtl.data.paths import DataFile, expand
from easymtl.data.sources import open_source
from easymtl.data.strays import has_data_name, require_no_stray
from easymtl.drafting.mixed import common_types
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.data_pb2 import DatasetConfig

Progress = Callable[[int, int], None]
"""Is told how many bytes of how many have been read."""

_BATCH_ROWS = 65_536
_HEAD_BYTES = 1 << 18
_SEPARATORS = (",", "\t", ";", "|", "\x01")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass
class Table:
    """Rows to draft from.

    Attributes:
        paths: the files, as the user named them; empty for a table in memory.
        types: the columns by name, with the Arrow types that hold those of all files; texts for CSV.
        data_config: format, header and separator, as a config declares them.
        num_bytes: of all files, or of the table.
        folders: columns that stand in the names of folders.
    """

    paths: str
    types: dict[str, pa.DataType]
    data_config: DatasetConfig
    num_bytes: int
    folders: list[str] = field(default_factory=list)
    _files: list[DataFile] = field(default_factory=list, repr=False)
    _memory: pa.Table | None = field(default=None, repr=False)

    @property
    def is_csv(self) -> bool:
        """Whether the files are CSV, so that all that is known of a column's type is how its values are spelled."""
        return self.data_config.input_type == DatasetConfig.CSVInput

    @property
    def form(self) -> str:
        """Returns how rows are written, which a config declares once for all; tables are read as Parquet is."""
        if not self.is_csv:
            return "Parquet"
        config = self.data_config
        return f"CSV separated by {config.separator!r} {'with' if config.with_header else 'without'} a header"

    def count_rows(self) -> int | None:
        """Returns how many rows there are; None for CSV, of which that is not known before all of it is read."""
        if self._memory is not None:
            return self._memory.num_rows
        if self.is_csv:
            return None
        num_rows = 0
        for file in self._files:
            with open_parquet(file) as opened:
                num_rows += opened.metadata.num_rows
        return num_rows

    def batches(self, progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """Yields all rows in order, with the columns of `types`.

        Raises:
            UserError: a file is damaged, or lacks a column of the first one.
        """
        if self._memory is not None:
            done = 0
            for batch in self._memory.to_batches(_BATCH_ROWS):
                yield batch
                done += batch.nbytes
                _tell(progress, min(done, self.num_bytes), self.num_bytes)
        elif self.is_csv:
            yield from self._csv_batches(progress)
        else:
            yield from self._parquet_batches(progress)
        _tell(progress, self.num_bytes, self.num_bytes)

    def _csv_batches(self, progress: Progress | None) -> Iterator[pa.RecordBatch]:
        source = open_source(self.paths, self.data_config, list(self.types), fills_defaults=False)
        done = 0
        for block in source.blocks:
            for batch in source.read(block):
                yield batch.select(list(self.types))
            done += block.size
            _tell(progress, done, self.num_bytes)

    def _parquet_batches(self, progress: Progress | None) -> Iterator[pa.RecordBatch]:
        done = 0
        for file in self._files:
            texts = partition_texts(file)
            with open_parquet(file) as opened:
                missing = set(self.types) - set(opened.schema_arrow.names) - set(texts)
                if missing:
                    raise UserError(
                        f"{file.name}: there is no column {quoted(sorted(missing)[:3])}, which {self._files[0].name} "
                        "has. Draft from files of one kind."
                    )
                wanted = [name for name in self.types if name in opened.schema_arrow.names]
                rows = max(opened.metadata.num_rows, 1)
                read = 0
                try:
                    for batch in opened.iter_batches(_BATCH_ROWS, columns=wanted):
                        yield _with_folders(batch, self.types, texts)
                        read += batch.num_rows
                        _tell(progress, done + file.size * read // rows, self.num_bytes)
                except (OSError, pa.ArrowException) as error:
                    raise UserError(f"{file.name}: reading failed: {error}. Write the file again.") from None
            done += file.size


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _with_folders(batch: pa.RecordBatch, types: dict[str, pa.DataType], texts: dict[str, str | None]) -> pa.RecordBatch:
    """Returns a batch with the columns of all files, and with what stands in the names of folders."""
    columns = []
    for name, kind in types.items():
        if name not in batch.schema.names:
            columns.append(pa.repeat(pa.scalar(texts[name], pa.string()), batch.num_rows))
        elif batch.column(name).type == kind:
            columns.append(batch.column(name))
        else:
            columns.append(batch.column(name).cast(kind, safe=False))
    return pa.RecordBatch.from_arrays(columns, names=list(types))


def open_table(source: "str | pa.Table", names: Sequence[str] | None, labels: Sequence[str]) -> Table:
    """Returns what to draft from.

    Args:
        source: a comma list of files, globs and folders, or a table in memory.
        names: the columns of CSV files without a header, in order.
        labels: columns that have to be there: they tell a header from a row.

    Raises:
        UserError: nothing is there, or it is neither Parquet nor CSV, or has no columns to draft from.
    """
    if isinstance(source, pa.Table):
        config = DatasetConfig(input_type=DatasetConfig.ParquetInput)
        _require_once(source.schema.names, "the table")
        types = {one.name: one.type for one in source.schema}
        return Table("", types, config, source.nbytes, _memory=source)
    files = expand(source)
    named = [file for file in files if has_data_name(file)] or files
    first = next((file for file in named if file.size), named[0])
    size = sum(file.size for file in files)
    folders = list(partition_texts(first))
    if head(first, 4) == b"PAR1":
        require_no_stray(files, "Parquet")
        with open_parquet(first) as opened:
            schema = opened.schema_arrow
        _require_once(schema.names, first.name)
        types = common_types(first, schema, files)
        types |= {name: pa.string() for name in folders if name not in types}
        config = DatasetConfig(input_type=DatasetConfig.ParquetInput)
        return Table(source, types, config, size, [name for name in folders if name not in schema.names], files)
    require_no_stray(files, "CSV")
    return _open_csv(source, files, first, size, names, labels)


def _require_once(names: Sequence[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"{where}: the column {quoted(twice[:1])} is there twice. Rename one of them.")


def _open_csv(
    paths: str, files: list[DataFile], first: DataFile, size: int, names: Sequence[str] | None, labels: Sequence[str]
) -> Table:
    # Bytes that no text has at its beginning are told by what reads the first line.
    begin = head(first, _HEAD_BYTES)
    is_utf32 = begin.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    if is_utf32 or begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "UTF-32" if is_utf32 else "UTF-16"
        raise UserError(f"{first.name}: this is text in {name}. Convert it first, such as: iconv -f {name} -t UTF-8.")
    if b"\0" in begin[:4096]:
        raise UserError(f"{first.name}: this is no text, and no Parquet file. Draft from Parquet or CSV files.")
    text, is_cut = begin.decode("utf-8-sig", "replace"), len(begin) == _HEAD_BYTES
    separator = _separator(text, is_cut)
    rows = _first_rows(text, separator, 50, is_cut)
    if not rows:
        raise UserError(f"{first.name}: the file is empty, there is nothing to draft from.")
    has_header = _is_header(rows, labels) if not names else list(names) == rows[0]
    if names and not has_header and labels and set(labels) <= set(rows[0]):
        raise UserError(
            f"{first.name}: --columns names {quoted(names, 4)}, and the first line is a header with the labels: "
            f"{quoted(rows[0], 4)}. Leave --columns out."
        )
    columns = list(names or (rows[0] if has_header else []))
    if not columns:
        raise UserError(
            f"{first.name}: the first line is no header that has the labels ({quoted(labels)}): it begins with "
            f"{quoted(rows[0], 4)}.{_nearest(labels, rows[0])} Name the columns of a file without one: --columns a,b"
        )
    if len(columns) != len(rows[0]):
        raise UserError(
            f"{first.name}: the first line has {len(rows[0])} columns, and {len(columns)} are named. Separated by "
            f"{separator!r}, it begins with {quoted(rows[0], 4)}."
        )
    _require_once(columns, first.name)
    config = DatasetConfig(input_type=DatasetConfig.CSVInput, with_header=has_header)
    if separator != ",":
        config.separator = separator
    folders = [name for name in partition_texts(first) if name not in columns]
    for name in [*columns, *(folders if has_header else [])]:
        config.input_fields.add(input_name=name)
    Dialect.of(config)
    types = {one.input_name: pa.string() for one in config.input_fields}
    return Table(paths, types, config, size, folders if has_header else [], files)


def _separator(text: str, is_cut: bool) -> str:
    """Returns the character that cuts the first rows into the most columns, the same number in each."""
    best, most = ",", 1
    for separator in _SEPARATORS:
        widths = {len(row) for row in _first_rows(text, separator, 20, is_cut)}
        if len(widths) == 1 and min(widths) > most:
            best, most = separator, min(widths)
    return best


def _first_rows(text: str, separator: str, most: int, is_cut: bool) -> list[list[str]]:
    """Returns the first rows of a text that are not empty; the last one of a text that was cut may end too early."""
    # Whatever ends the lines: Windows, Unix, or a carriage return alone.
    lines = io.StringIO(text, newline=None).readlines()
    rows = list(itertools.islice(filter(None, Dialect(separator).reader(lines)), most + 1))
    return rows[:-1] if len(rows) > most or (is_cut and len(rows) > 1) else rows


def _is_header(rows: list[list[str]], labels: Sequence[str]) -> bool:
    """Returns whether the first line names the columns: it has the labels, or only names above lines with numbers."""
    first = rows[0]
    if labels and set(labels) <= set(first):
        return True
    is_named = len(set(first)) == len(first) and all(cell.strip() and not _NUMBER.fullmatch(cell) for cell in first)
    has_numbers = any(_NUMBER.fullmatch(cell) for row in rows[1:] for cell in row)
    return is_named and has_numbers


def _nearest(labels: Sequence[str], first: Sequence[str]) -> str:
    return next((text for text in (did_you_mean(label, first) for label in labels) if text), "")


def stem(table: Table) -> str:
    """Returns a name for what is drafted from files: that of a file, of its folder where it is no more than "train"."""
    path = table._files[0].path if table._files else "table"
    name = re.sub(r"\.(parquet|pq|csv|tsv|txt|gz)", "", os.path.basename(path))
    if re.fullmatch(r"(train|data|part|file)?[-_.0-9a-f]*", name) and os.path.dirname(path):
        folders = [part for part in os.path.dirname(path).split("/") if part and "=" not in part]
        name = folders[-1] if folders else name
    return re.sub(r"\W+", "_", name) or "model"
