"""Comparing what a config declares with what its files hold, from their beginnings."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from easymtl.data.bad_values import ADVICE, BadValues, described, usable_rows
from easymtl.data.blocks import Block, Source
from easymtl.data.convert import default_scalar
from easymtl.data.csv import CsvSource
from easymtl.data.csv_dialect import Dialect
from easymtl.data.csv_text import read_header
from easymtl.data.fields import input_fields
from easymtl.data.paths import expand
from easymtl.data.rows import Rows
from easymtl.data.sources import describe, open_source, partition_names
from easymtl.data.text_form import TextForm, text_forms
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.labels import LabelCheck, LabelRule, checked_numbers, label_rules, number_rules
from easymtl.features.number_texts import NumberTexts, number_texts
from easymtl.features.tag_weights import TagWeights, tag_weights
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.synth import DATA_SETS

_SAMPLE_DATA = "samples/data/"
_FIRST_BYTES = 1 << 16
_FIRST_ROWS = 1024
_SCANNED_BYTES = 32 << 20


def require_files(*inputs: str | None) -> None:
    """Checks that there are files behind each input; before anything slow is done.

    Raises:
        UserError: there are none; for data of a sample config it says how they are made.
    """
    for paths in filter(None, inputs):
        try:
            expand(paths)
        except UserError as error:
            raise UserError(f"{error}{_how_to_make(paths)}") from None


def _how_to_make(paths: str) -> str:
    if not paths.startswith(_SAMPLE_DATA):
        return ""
    name = paths.removeprefix(_SAMPLE_DATA).split("/")[0]
    return f" Make it: easymtl synth {name}" if name in DATA_SETS else " samples/README.md tells how to get it."


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


def first_rows(paths: str, pipeline: Pipeline, fields: Sequence[str]) -> pa.RecordBatch:
    """Returns the first rows of data that can be read as declared.

    Raises:
        UserError: they cannot.
    """
    return _first_rows(paths, pipeline.data_config, fields, text_forms(pipeline))[2]


def quote_problems(paths: str, pipeline: Pipeline, fields: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns what is wrong with the quotes of CSV files, and what is odd about them, a sentence each.

    What a quote swallows ends far behind it, so this looks further than the first rows.
    """
    forms = text_forms(pipeline)
    source = open_source(paths, pipeline.data_config, fields, block_bytes=_FIRST_BYTES, forms=forms)
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


def label_problems(paths: str, pipeline: Pipeline) -> tuple[list[str], list[str]]:
    """Returns which labels, weights and numbers of the first rows are wrong, and which towers learn nothing from them.

    Weights are those of rows and of tags, numbers those that features read from texts.
    """
    problems, notes = [], []
    for rule in [*label_rules(pipeline), *number_rules(pipeline)]:
        source, block, batch = _first_rows(paths, pipeline.data_config, [rule.column.field], text_forms(pipeline))
        try:
            checked_numbers(batch, [rule])
        except BadValues as error:
            if not source.ignore_error:
                problems.append(f"{described(error, source, [block])} {ADVICE}")
                continue
        if isinstance(rule, LabelRule):
            try:
                notes += _learns_nothing(paths, pipeline, rule)
            except UserError as error:
                problems.append(str(error))
    problems += _number_problems(paths, pipeline)
    return list(dict.fromkeys(problems)), notes


def _number_problems(paths: str, pipeline: Pipeline) -> Iterator[str]:
    """Yields what is wrong with values that features read as numbers or as weights of tags."""
    readers = _number_readers(pipeline)
    if not readers:
        return
    fields = [reader.field for reader in readers]
    source, block, batch = _first_rows(paths, pipeline.data_config, fields, text_forms(pipeline))
    for reader in readers:
        bad = reader.bad(batch.column(reader.field).to_pylist())
        if bad and not source.ignore_error:
            error = BadValues(reader.field, bad[0], (), reader.problem(bad[0]))
            yield f"{described(error, source, [block])} {ADVICE}"


def _number_readers(pipeline: Pipeline) -> list[NumberTexts | TagWeights]:
    return [*number_texts(pipeline), *tag_weights(pipeline)]


def default_problems(pipeline: Pipeline) -> list[str]:
    """Returns which `default_val` no reader of its field takes, whether the first rows need it or not.

    Raises:
        UserError: one is no value of its type.
    """
    if pipeline.data_config.ignore_error:
        return []
    fields = input_fields(pipeline.data_config)
    defaults = {name: default_scalar(field) for name, field in fields.items()}
    problems = []
    for reader in _number_readers(pipeline):
        default = defaults[reader.field]
        bad = reader.bad([default.as_py()]) if default is not None else []
        problems += [_of_default(reader.field, reader.problem(value)) for value in bad]
    for rule in [*label_rules(pipeline), *number_rules(pipeline)]:
        name, default = rule.column.field, defaults[rule.column.field]
        if default is not None:
            try:
                checked_numbers(pa.record_batch({name: pa.array([default.as_py()], default.type)}), [rule])
            except BadValues as error:
                problems.append(_of_default(name, error.problem))
    return list(dict.fromkeys(problems))


def _of_default(name: str, problem: str) -> str:
    return f'data_config.input_fields "{name}": where its default_val is put, {problem} Set another default_val.'


def _learns_nothing(paths: str, pipeline: Pipeline, rule: LabelRule) -> list[str]:
    """Returns a sentence when none of the first rows counts for a tower.

    Raises:
        UserError: all rows of the data are left out, not the first ones alone.
    """
    fields = [rule.field, *(factor.column.field for factor in rule.factors)]
    source, block, batch = _first_rows(paths, pipeline.data_config, fields, text_forms(pipeline))
    check = LabelCheck(_NothingElse(fields), [rule])
    try:
        batch, rows = usable_rows(check, batch, source, [block])
    except UserError:
        # A number that weighs its rows is wrong, which its own rule says.
        return []
    first = f"first {batch.num_rows:,} rows"
    if not batch.num_rows:
        if len(source.blocks) == 1 and len(list(islice(source.read(block), 2))) == 1:
            raise UserError(f"All rows are left out (data_config.ignore_error). {source.skipped.examples[0]}")
        return [f"All of the first rows are left out. {source.skipped.examples[0]}"]
    check.count(rows)
    if not check.num_labels[rule.field]:
        return [f'None of the {first} has a label "{rule.field}": the tower "{rule.tower}" learns nothing from them.']
    reasons = (why for _, why in check.unlearnt(first))
    return [f'{why[:1].upper()}{why[1:]}: the tower "{rule.tower}" learns nothing from them.' for why in reasons]


class _NothingElse(NamedTuple):
    """An encoder of nothing, where labels and weights are all that is looked at."""

    fields: list[str]

    def __call__(self, batch: pa.RecordBatch) -> Rows:
        return Rows({})


def require_all_columns(paths: str, pipeline: Pipeline) -> None:
    """Checks that rows to be scored, which have no header to name their columns, have all of them, labels included.

    Raises:
        UserError: some are not there.
    """
    data = pipeline.data_config
    columns = describe(paths, data)
    file = expand(paths)[0]
    declared = set(input_fields(data)) - set(partition_names(file, data))
    if data.with_header or any(kind for _, kind in columns) or not 1 < len(columns) < len(declared):
        return
    raise UserError(
        f"{file.name}:1: {len(columns)} columns were found where data_config.input_fields declares "
        f"{len(declared)}. Without a header columns are known by their place, so all of them must be there, also those "
        f"that scoring does not read, such as the labels ({quoted(data.label_fields)}): leave those empty. Or begin "
        "the file with a header and set data_config.with_header: true."
    )


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
        _first_rows(paths, data_config, fields, forms)
        return []
    except UserError as error:
        problems = [_reading_problem(paths, data_config, field, forms) for field in fields]
        return list(dict.fromkeys(problem for problem in problems if problem)) or [str(error)]


def _reading_problem(paths: str, data_config: DatasetConfig, field: str, forms: Mapping[str, TextForm] | None) -> str:
    try:
        _first_rows(paths, data_config, [field], forms)
    except UserError as error:
        return str(error)
    return ""


def _first_rows(
    paths: str, data_config: DatasetConfig, fields: Sequence[str], forms: Mapping[str, TextForm] | None
) -> tuple[Source, Block, pa.RecordBatch]:
    """Returns the source of the fields, the block that its first row is in, and the first rows.

    Raises:
        UserError: they cannot be read, or there is none.
    """
    source = open_source(paths, data_config, fields, block_bytes=_FIRST_BYTES, batch_rows=_FIRST_ROWS, forms=forms)
    batches = ((block, batch) for block in source.blocks for batch in source.read(block))
    for block, batch in batches:
        if batch.num_rows:
            return source, block, batch
    name = expand(paths)[0].name
    if source.skipped_rows:
        raise UserError(
            f"{name}: all {source.skipped_rows:,} rows were left out (data_config.ignore_error), because they cannot "
            f"be read. The first: {source.skipped.examples[0]}"
        )
    raise UserError(f"{name}: there is no row.")
