"""The reading of a CSV block: fast, by Arrow; and with care where something does not parse, by lines and records."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from easymtl.data.blocks import SkippedRows
from easymtl.data.convert import ALLOWED, parse_text
from easymtl.data.csv_dialect import Dialect
from easymtl.data.fields import DICTIONARY, Field
from easymtl.errors import UserError

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_LINE_END = re.compile("[\r\n]")
_NOT_SHOWN = re.compile("[\0-\x1f\x7f\udc80-\udcff]")
NO_UTF8 = "Text in another encoding must be converted first, such as: iconv -f ISO-8859-1 -t UTF-8 (or -f GB18030)."
HOW_TO_READ_QUOTES_AS_TEXT = 'Where quotes are text like any other, set data_config.quote: "".'
_ONE_ROW = "Correct the row, or set data_config.ignore_error to leave out such rows."
_EVERY_ROW = (
    "No row here can be read: compare the order and types of data_config.input_fields with the columns of the file."
)


@dataclass(frozen=True)
class Layout:
    """How the columns lie in the records of a file.

    Attributes:
        dialect: how they are separated and quoted.
        num_columns: the columns of each record.
        positions: the place of each column that is read.
        has_header: whether the file names its columns.
        fields: what is at these places.
    """

    dialect: Dialect
    num_columns: int
    positions: Sequence[int]
    has_header: bool
    fields: Sequence[Field]


@dataclass(frozen=True)
class _Problem:
    row: int
    line: int
    text: str


def read_fast(data: bytes, layout: Layout, by_row: Collection[str] = (), uses_threads: bool = True) -> list[pa.Array]:
    """Returns the columns of a block as Arrow reads them.

    Args:
        data: whole records.
        layout: the columns to return, and where they are.
        by_row: names of those whose texts are held row by row, each in a dictionary of all rows, null as an empty one:
            to look for equal ones takes four times as long as to read them.
        uses_threads: whether the columns are converted by several threads.

    Raises:
        pa.ArrowInvalid: a row does not parse; `read_carefully` tells which.
    """
    if data[:1] in b"\r\n" and not data.strip(b"\r\n"):
        return [pa.array([], field.column_type) for field in layout.fields]
    kinds = [pa.string() if field.name in by_row else field.column_type for field in layout.fields]
    arrays = _read_columns(data, layout, kinds, uses_threads)
    has_infinite = [pa.types.is_floating(one.type) and pc.any(pc.is_inf(one)).as_py() for one in arrays]
    if any(has_infinite):
        # Arrow makes infinity of a number that is too large for its type; only the text tells.
        kinds = [pa.string() if infinite else one.type for infinite, one in zip(has_infinite, arrays)]
        for texts, one in zip(_read_columns(data, layout, kinds, uses_threads), arrays):
            if texts.type != one.type and len(parse_text(texts, one.type)[1]):
                raise pa.ArrowInvalid("a number is too large for its type")
    return [_dictionary_of_rows(one) if one.type == pa.string() else one for one in arrays]


def _dictionary_of_rows(texts: pa.Array) -> pa.Array:
    # Arrow unifies no dictionaries with nulls.
    texts = texts.fill_null("") if texts.null_count else texts
    return pa.DictionaryArray.from_arrays(np.arange(len(texts), dtype=np.int32), texts, safe=False)


def _read_columns(data: bytes, layout: Layout, types: Sequence[pa.DataType], uses_threads: bool) -> list[pa.Array]:
    # Columns are named by their place: names in a header may be empty or repeated where they are not read.
    wanted = [str(position) for position in layout.positions]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        pyarrow.csv.ReadOptions(
            column_names=[str(position) for position in range(layout.num_columns)],
            # One block, so that a string column has one dictionary.
            block_size=len(data) + 1,
            use_threads=uses_threads,
        ),
        layout.dialect.parse_options(data),
        pyarrow.csv.ConvertOptions(
            column_types=dict(zip(wanted, types)),
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    return [_one_array(table.column(name)) for name in wanted]


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def read_carefully(
    data: bytes,
    name: str,
    first_line: int,
    layout: Layout,
    skipped: SkippedRows | None,
) -> list[pa.Array]:
    """Returns the columns of a block, without its bad rows when these may be skipped.

    Args:
        data: whole records.
        name: the file, for messages.
        first_line: the physical line at which `data` starts.
        layout: the columns to return, and where they are.
        skipped: counts the rows that do not parse and are left out; with None the first of them is an error.

    Raises:
        UserError: a row does not parse and `skipped` is None.
    """
    lines, texts, problems = _split(data, name, first_line, layout)
    is_utf8 = _is_utf8(data)
    columns = []
    for field, column in zip(layout.fields, texts):
        values, bad = _parse(column, field, is_utf8)
        columns.append(values)
        problems += [_value_problem(row, lines[row], field, column[row], layout) for row in bad]
    if not problems:
        return columns
    problems.sort(key=lambda problem: problem.line)
    if skipped is None:
        num_records = len(lines) + sum(problem.row < 0 for problem in problems)
        is_every_row = num_records > 1 and len({problem.line for problem in problems}) == num_records
        raise UserError(f"{name}:{problems[0].line}: {problems[0].text} {_EVERY_ROW if is_every_row else _ONE_ROW}")
    good = np.ones(len(lines), bool)
    seen = set()
    for problem in problems:
        if problem.line not in seen:
            skipped.add(f"{name}:{problem.line}: {problem.text}")
        seen.add(problem.line)
        if problem.row >= 0:
            good[problem.row] = False
    skipped.place(np.searchsorted(np.asarray(lines)[good], sorted(seen)))
    mask = pa.array(good)
    return [column.filter(mask) for column in columns]


def read_records(data: bytes, name: str, first_line: int, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yields the physical line and the texts of each record; empty lines are none.

    Raises:
        UserError: a record cannot be read at all.
    """
    text = io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")
    reader = dialect.reader(text)
    line = first_line
    try:
        for record in reader:
            if record:
                yield line, record
            line = first_line + reader.line_num
    except csv.Error as error:
        raise UserError(f"{name}:{line}: this record cannot be read: {error}.") from None


def _split(
    data: bytes, name: str, first_line: int, layout: Layout
) -> tuple[list[int], list[list[str]], list[_Problem]]:
    """Returns the line of each record, the texts of each column read, and the records of a wrong width."""
    lines: list[int] = []
    kept: list[list[str]] = []
    problems: list[_Problem] = []
    for line, record in read_records(data, name, first_line, layout.dialect):
        if len(record) != layout.num_columns:
            problems.append(_Problem(-1, line, _width_problem(record, layout)))
            continue
        lines.append(line)
        kept.append([record[position] for position in layout.positions])
    columns = [list(column) for column in zip(*kept)] or [[] for _ in layout.positions]
    return lines, columns, problems


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(texts: list[str], field: Field, is_utf8: bool) -> tuple[pa.Array, np.ndarray]:
    """Returns the values and the indices of the texts that are none of the declared type."""
    bad = [] if is_utf8 else [row for row, text in enumerate(texts) if _NOT_UTF8.search(text)]
    clean = list(texts)
    for row in bad:
        clean[row] = ""
    if field.type == pa.string():
        array = pa.array([text or None for text in clean], pa.string()).dictionary_encode()
        return array.cast(DICTIONARY), np.asarray(bad, np.int64)
    values, unparsable = parse_text(pa.array(clean, pa.string()), field.type)
    return values, np.concatenate([np.asarray(bad, np.int64), unparsable])


def _value_problem(row: int, line: int, field: Field, text: str, layout: Layout) -> _Problem:
    shown = text if len(text) <= 60 else text[:57] + "..."
    shown = _NOT_SHOWN.sub("\N{REPLACEMENT CHARACTER}", shown)
    sentence = f'column "{field.name}" holds "{shown}", which is no {field.type_name} ({ALLOWED[field.type]}).'
    if "\0" in text:
        sentence += " It holds NUL bytes, as UTF-16 text and binary files do."
    elif _NOT_UTF8.search(text):
        sentence += " " + NO_UTF8
    elif _LINE_END.search(text):
        sentence += f" It goes over several lines, as it is quoted. {HOW_TO_READ_QUOTES_AS_TEXT}"
    if line == 1 and text.strip() == field.name and not layout.has_header:
        sentence += " The line looks like a header: set data_config.with_header to true."
    else:
        sentence += field.advice(shown)
    return _Problem(row, line, sentence)


def _width_problem(record: list[str], layout: Layout) -> str:
    declared = "the header has" if layout.has_header else "data_config.input_fields declares"
    count = "1 column was" if len(record) == 1 else f"{len(record)} columns were"
    sentence = f"{count} found where {declared} {layout.num_columns}."
    if any("\0" in text or _NOT_UTF8.search(text) for text in record):
        sentence += " The line holds bytes that are no text: is this a CSV file?"
    elif any(_LINE_END.search(text) for text in record):
        sentence += f" It goes over several lines, as one of its fields is quoted. {HOW_TO_READ_QUOTES_AS_TEXT}"
    elif len(record) == 1:
        sentence += f" Is data_config.separator {layout.dialect.separator!r} the right one?"
    return sentence
