"""Opening the data of a config."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from easymtl.config import view
from easymtl.data.blocks import Block, SkippedRows, Source
from easymtl.data.csv import CsvSource
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_text import head, read_header
from easymtl.data.fields import input_fields
from easymtl.data.made_up import MadeUpSource
from easymtl.data.parquet import ParquetSource, open_parquet
from easymtl.data.partitions import partition_texts
from easymtl.data.paths import DataFile, expand
from easymtl.data.strays import has_data_name, require_no_stray
from easymtl.data.table_source import TableSource
from easymtl.data.text_form import UNREAD, TextForm
from easymtl.data.tfrecord import TFRecordSource, names_in
from easymtl.errors import UserError, did_you_mean
from easymtl.protos.data_pb2 import DatasetConfig

__all__ = ["Block", "SkippedRows", "Source", "describe", "open_source"]

_CSV, _PARQUET, _TFRECORD, _TABLE = "CSV", "Parquet", "TFRecord", "table"
_FORMATS = {
    DatasetConfig.CSVInput: _CSV,
    DatasetConfig.CSVInputV2: _CSV,
    DatasetConfig.CSVInputEx: _CSV,
    DatasetConfig.ParquetInput: _PARQUET,
    DatasetConfig.ParquetInputV2: _PARQUET,
    DatasetConfig.ParquetInputV3: _PARQUET,
    DatasetConfig.TFRecordInput: _TFRECORD,
}


def open_source(
    paths: str,
    data_config: DatasetConfig,
    columns: Sequence[str],
    block_bytes: int = 8 << 20,
    batch_rows: int = 65536,
    forms: Mapping[str, TextForm] | None = None,
    fills_defaults: bool = True,
    items: Collection[str] = (),
) -> Source:
    """Returns the source of the columns in the files behind `paths`.

    Args:
        paths: a comma list of globs, folders, files and addresses of tables in memory; empty for the made-up rows of
            DummyInput.
        data_config: declares format and columns.
        columns: the columns to read.
        block_bytes: about how much of a CSV or TFRecord file is one block.
        batch_rows: the largest number of rows of a record batch of Parquet or TFRecord.
        forms: what the readers of each field need its text to be, see `text_forms`: of numbers and lists in columns
            that are declared STRING. Without it they are read as if an id was made of them.
        fills_defaults: put `default_val` in the place of missing values; otherwise they stay as they are in the files.
        items: columns whose lists are read as their items, `fields.LISTS`, where all files hold lists of them.
            Lists of others, of fields with a `default_val` and of TFRecord are read as texts. Of CSV, texts that hardly
            repeat are held row by row, each in a dictionary of all rows, a missing one as an empty one.

    Raises:
        UserError: a path, a column or a file is wrong.
    """
    declared = input_fields(data_config)
    if forms is not None:
        declared = {name: replace(field, form=forms.get(name, UNREAD)) for name, field in declared.items()}
    if not fills_defaults:
        declared = {name: replace(field, default=None) for name, field in declared.items()}
    for name in columns:
        if name not in declared:
            raise UserError(f'"{name}" is not in data_config.input_fields.{did_you_mean(name, declared)}')
    columns = list(dict.fromkeys(columns))
    assert columns, "a source reads at least one column"
    if not paths and data_config.input_type == DatasetConfig.DummyInput:
        labels = {name: _texts(data_config, name) for name in data_config.label_fields}
        return MadeUpSource(declared, columns, labels, data_config.batch_size)
    files, kind = _files(paths, data_config)
    source: Source
    if kind in (_PARQUET, _TABLE):
        declared = {name: replace(field, has_items=name in items) for name, field in declared.items()}
        of_kind = ParquetSource if kind == _PARQUET else TableSource
        source = of_kind(files, declared, columns, data_config.ignore_error, batch_rows)
    elif kind == _TFRECORD:
        source = TFRecordSource(files, declared, columns, data_config.ignore_error, block_bytes, batch_rows)
    else:
        source = CsvSource(
            files,
            declared,
            columns,
            Dialect.of(data_config),
            data_config.with_header,
            data_config.ignore_error,
            block_bytes,
            items,
        )
    source.paths = paths
    return source


def _texts(data_config: DatasetConfig, label: str) -> list[str]:
    """Returns texts that a label may hold, none where it holds numbers."""
    return [text or "any" for text in view.label_texts(data_config, label)]


def describe(paths: str, data_config: DatasetConfig) -> list[tuple[str, str | None]]:
    """Returns name and type of the columns in the first file, read from its beginning only, and those of its folders.

    TFRecord files need not all have the same columns, so those of all of them are told. The type is None for CSV; the
    columns of a file without header are named by their place: `"1"`, `"2"`, ...

    Raises:
        UserError: a path or a file is wrong.
    """
    files, kind = _files(paths, data_config)
    folders = partition_names(files[0], data_config)
    if kind == _TABLE and files[0].held:
        held = files[0].held
        own: list[tuple[str, str | None]] = [(field.name, str(field.type)) for field in held.table.schema]
        return own + [(name, "not read") for name in held.other_names]
    if kind == _PARQUET:
        with open_parquet(files[0]) as opened:
            columns: list[tuple[str, str | None]] = [(field.name, str(field.type)) for field in opened.schema_arrow]
        return columns + [(name, "name of a folder") for name in folders if name not in dict(columns)]
    if kind == _TFRECORD:
        return list(names_in(files).items())
    names, _ = read_header(files[0], Dialect.of(data_config))
    if not data_config.with_header:
        return [(str(place + 1), None) for place in range(len(names))]
    return [(name, None) for name in [*names, *(name for name in folders if name not in names)]]


def partition_names(file: DataFile, data_config: DatasetConfig) -> list[str]:
    """Returns the declared columns that stand in the names of a file's folders."""
    texts = partition_texts(file)
    return [name for name in input_fields(data_config) if name in texts]


def _files(paths: str, data_config: DatasetConfig) -> tuple[list[DataFile], str]:
    """Returns the files behind `paths` and their format."""
    files = expand(paths)
    tables = [file for file in files if file.held]
    if tables:
        _require_tables(files)
        return files, _TABLE
    kind = _format(files, data_config)
    require_no_stray(files, kind)
    return files, kind


def _require_tables(files: list[DataFile]) -> None:
    for file in files:
        if not file.held:
            raise UserError(f"{file.name}: this file stands beside a table in memory. Name files alone, or one table.")


def _format(files: list[DataFile], data_config: DatasetConfig) -> str:
    if data_config.input_type == DatasetConfig.DummyInput or not data_config.HasField("input_type"):
        # Jobs that had nothing to write leave empty files behind.
        named = [file for file in files if has_data_name(file)] or files
        file = next((file for file in named if file.size), named[0])
        return _PARQUET if head(file, 4) == b"PAR1" else _CSV
    if data_config.input_type not in _FORMATS:
        name = DatasetConfig.InputType.Name(data_config.input_type)
        raise UserError(f"data_config.input_type {name} cannot be read. Use CSVInput, ParquetInput or TFRecordInput.")
    return _FORMATS[data_config.input_type]
