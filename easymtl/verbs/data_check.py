"""Comparing the columns that a config declares with those of its files, from their beginnings."""

from collections.abc import Mapping, Sequence

from easymtl.api.data_files import require_files
from easymtl.api.first_rows import FIRST_BYTES, rows_at_first
from easymtl.data.csv import CsvSource
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_text import read_header
from easymtl.data.fields import input_fields
from easymtl.data.paths import expand
from easymtl.data.sources import describe, open_source
from easymtl.data.text_form import TextForm, text_forms
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_SCANNED_BYTES = 32 << 20


def data_problems(
    paths: str, data_config: DatasetConfig, fields: Sequence[str], forms: Mapping[str, TextForm] | None = None
) -> list[str]:
    """Returns what keeps the files from being read as declared: a sentence for each problem, all of them.

    Args:
        paths: a comma list of globs, folders and files; all are opened, the first rows are read.
        data_config: declares format and columns.
        fields: the columns that something reads.
        forms: what their readers need texts to be, see `open_source`.
    """
    try:
        require_files(paths)
        names = [name for name, _ in describe(paths, data_config)]
        name = expand(paths)[0].name
        found = _header_problem(paths, data_config) or _missing_columns(name, names, data_config, fields)
        return found or _reading_problems(paths, data_config, fields, forms)
    except UserError as error:
        return [str(error)]


def quote_problems(paths: str, pipeline: Pipeline, fields: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns what is wrong with the quotes of CSV files, and what is odd about them, a sentence each.

    What a quote swallows ends far behind it, so this looks further than the first rows.
    """
    forms = text_forms(pipeline)
    source = open_source(paths, pipeline.data_config, fields, block_bytes=FIRST_BYTES, forms=forms)
    if not isinstance(source, CsvSource):
        return [], []
    left = _SCANNED_BYTES
    try:
        for size in (size for block in source.blocks for size in source.scan(block)):
            left -= size
            if left <= 0:
                break
    except UserError as error:
        return [str(error)], []
    return [], source.warnings()


def unread_columns(paths: str, data_config: DatasetConfig, fields: Sequence[str]) -> list[str]:
    """Returns the columns of the first file that nothing reads."""
    names = _names(paths, data_config)
    return [name for name in names if name not in set(fields)]


def _names(paths: str, data_config: DatasetConfig) -> list[str]:
    """Returns the names of the columns: those in the file, or by place those that are declared."""
    columns = describe(paths, data_config)
    has_names = any(kind for _, kind in columns) or data_config.with_header
    return [name for name, _ in columns] if has_names else list(input_fields(data_config))


def _header_problem(paths: str, data_config: DatasetConfig) -> list[str]:
    """Tells a header that the config does not know of, and one that is not there."""
    if any(kind for _, kind in describe(paths, data_config)):
        return []
    file = expand(paths)[0]
    first, _ = read_header(file, Dialect.of(data_config))
    declared = input_fields(data_config)
    num_known = sum(name in declared for name in first)
    if data_config.with_header and first and not num_known:
        return [
            f"{file.name}:1: data_config.with_header is true, and the first line names none of the declared columns "
            f"({quoted(first, limit=5)}). Without a header, set with_header: false."
        ]
    if not data_config.with_header and num_known > len(first) // 2:
        return [f"{file.name}:1: the first line names the columns. Set data_config.with_header: true."]
    return []


def _missing_columns(file: str, names: list[str], data_config: DatasetConfig, fields: Sequence[str]) -> list[str]:
    if names == [str(place + 1) for place in range(len(names))]:
        return []
    missing = [name for name in fields if name not in names]
    unknown = [name for name in names if name not in input_fields(data_config)]
    problems = [f'{file}: column "{name}" is not in the file.{did_you_mean(name, unknown)}' for name in missing]
    if missing and unknown:
        problems[-1] += f" The file has columns that the config does not declare: {quoted(unknown)}."
    return problems


def _reading_problems(
    paths: str, data_config: DatasetConfig, fields: Sequence[str], forms: Mapping[str, TextForm] | None
) -> list[str]:
    """Reads the first rows, and when that fails, column by column, to tell all that is wrong."""
    try:
        rows_at_first(paths, data_config, fields, forms)
        return []
    except UserError as error:
        problems = [_reading_problem(paths, data_config, field, forms) for field in fields]
        return list(dict.fromkeys(problem for problem in problems if problem)) or [str(error)]


def _reading_problem(paths: str, data_config: DatasetConfig, field: str, forms: Mapping[str, TextForm] | None) -> str:
    try:
        rows_at_first(paths, data_config, [field], forms)
    except UserError as error:
        return str(error)
    return ""
