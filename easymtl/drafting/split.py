"""One set of rows becomes two files: what is trained on, and later rows, or other users, to judge by."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from easymtl.data.reading import is_same_file, same_input, would_read
from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.kinds import plain
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import Roles, rows_per
from easymtl.drafting.table import Progress, Table
from easymtl.drafting.tally import hashes
from easymtl.errors import UserError

# A tenth of few rows, a twentieth of many: what is judged by is not learnt from.
_SHARES = ((20_000, 0.05, "twentieth"), (0, 0.1, "tenth"))
_SALT = np.uint64(0x5DEECE66D)


@dataclass(frozen=True)
class Split:
    """How rows are divided.

    Attributes:
        column: by whose values; empty by the number of the row.
        border: the first time that is judged on; None where values are drawn.
        reason: for people.
        share: of the rows, or users, to judge by.
    """

    column: str
    border: float | str | None
    reason: str
    share: float = 0.1


def choose_split(profile: Profile, roles: Roles) -> Split:
    """Returns how to divide rows: by the last part of the time, else by users, else by rows."""
    _, share, word = next(one for one in _SHARES if profile.num_rows >= one[0])
    if roles.time:
        border = _late(profile, profile.columns[roles.time], share)
        if border is not None:
            return Split(roles.time, border, f'the last {word} by "{roles.time}"', share)
    if roles.user and rows_per(profile.columns[roles.user]) >= 1.5 and profile.columns[roles.user].num_distinct >= 50:
        return Split(roles.user, None, f'a {word} of the users, by "{roles.user}"', share)
    return Split("", None, f"a {word} of the rows, drawn by their number", share)


def _late(profile: Profile, column: ColumnProfile, share: float) -> float | str | None:
    """Returns the time from which on a share of the rows lies, None where all lie at one time."""
    values = profile.sample[column.name].combine_chunks().drop_null()
    ordered = sorted(values.to_pylist())
    if not ordered or ordered[0] == ordered[-1]:
        return None
    border = ordered[int((1 - share) * (len(ordered) - 1))]
    # A day that many rows share begins the evaluation, unless training would be left without rows.
    return border if border > ordered[0] else next(value for value in ordered if value > ordered[0])


def _is_late(batch: pa.RecordBatch, split: Split, first_row: int) -> np.ndarray:
    """Returns which rows of a batch are judged on, bool `[n]`."""
    border = np.uint64(int(split.share * 2.0**64))
    if not split.column:
        keys = pa.array(np.arange(first_row, first_row + batch.num_rows) ^ np.int64(_SALT))
        return hashes(keys) < border
    values = plain(batch.column(split.column))
    late = np.zeros(batch.num_rows, bool)
    known = np.asarray(values.is_valid())
    if split.border is not None:
        late[known] = np.asarray([value >= split.border for value in values.drop_null().to_pylist()], bool)
    else:
        late[known] = (hashes(values.drop_null()) ^ _SALT) < border
    return late


def write_split(
    table: Table, split: Split, train: Path, evaluation: Path, replaces: bool, progress: Progress | None
) -> tuple[int, int]:
    """Writes both files and returns their rows.

    Args:
        table: the rows.
        split: how they are divided.
        train: where the first file goes.
        evaluation: where the second goes.
        replaces: whether files that are there are written over. Files that are read never are.
        progress: is told how much has been read.

    Raises:
        UserError: a file is there, or is read, or a part would be empty.
    """
    for target in (train, evaluation):
        require_free(table, target, replaces)
    counts = [0, 0]
    beside = [path.with_name(f".{path.name}.part") for path in (train, evaluation)]
    try:
        with contextlib.ExitStack() as stack:
            writers: list[pq.ParquetWriter | pyarrow.csv.CSVWriter] = []
            for batch in _batches(table, progress):
                if not writers:
                    writers = [stack.enter_context(_writer(table, path, batch.schema)) for path in beside]
                late = _is_late(batch, split, sum(counts))
                for part, rows in enumerate((~late, late)):
                    counts[part] += int(rows.sum())
                    if rows.any():
                        writers[part].write(batch.filter(pa.array(rows)))
        if not all(counts):
            raise UserError(f"the rows cannot be divided by {split.reason}: a part would be empty. Give --eval.")
        for path, target in zip(beside, (train, evaluation)):
            path.replace(target)
    finally:
        for path in beside:
            path.unlink(missing_ok=True)
    return counts[0], counts[1]


def split_table(table: Table, split: Split) -> tuple[pa.Table, pa.Table] | None:
    """Returns the rows to train on and those to judge by of a table in memory; None where a part would be empty.

    Args:
        table: the rows.
        split: how they are divided.
    """
    parts: tuple[list[pa.RecordBatch], list[pa.RecordBatch]] = ([], [])
    num_rows = 0
    for batch in table.batches():
        late = _is_late(batch, split, num_rows)
        num_rows += batch.num_rows
        for part, rows in zip(parts, (~late, late)):
            part.append(batch.filter(pa.array(rows)))
    train, evaluation = (pa.Table.from_batches(part) if part else pa.table({}) for part in parts)
    return (train, evaluation) if train.num_rows and evaluation.num_rows else None


def require_free(table: Table, target: Path, replaces: bool) -> None:
    """Checks that a file may be written: it is none that is read, nor would be, and none that is there.

    Raises:
        UserError: it may not.
    """
    if table.paths:
        read = same_input(table.paths, str(target)) or (str(target) if is_same_file(table.paths, str(target)) else None)
        if read:
            raise UserError(
                f"{target} is the file {read}, which is read: it would be written over. Name another --out."
            )
        part = would_read(table.paths, str(target))
        if part:
            raise UserError(
                f'{target} would lie in "{part}", of which all files are read as data. Name an --out outside of it.'
            )
    if target.exists() and not replaces:
        raise UserError(f"{target} exists. Name another --out, or write over it with --force.")


def _batches(table: Table, progress: Progress | None) -> Iterator[pa.RecordBatch]:
    for batch in table.batches(progress):
        change = _text if table.is_csv else _without_views
        columns = [change(column) for column in batch.columns]
        yield pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _text(column: pa.Array) -> pa.Array:
    return column.dictionary_decode().cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _without_views(column: pa.Array) -> pa.Array:
    """Returns a column whose rows Arrow can choose from: it cannot where views of texts are inside."""
    kind = _plain_views(column.type)
    return column if kind == column.type else column.cast(kind)


def _plain_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(_plain_views(kind.key_type), _plain_views(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain_views(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_plain_views(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_plain_views(one.type)) for one in kind])
    return kind


def _writer(table: Table, path: Path, schema: pa.Schema):
    try:
        if not table.is_csv:
            return pq.ParquetWriter(path, schema, compression="zstd")
        separator = table.data_config.separator
        options = pyarrow.csv.WriteOptions(include_header=True, delimiter=separator, quoting_style="needed")
        return pyarrow.csv.CSVWriter(path, schema, write_options=options)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(
            f"{path.parent}: no file can be written in this folder: {reason}. Both parts of the rows are written "
            "beside the config: name another --out, or rows to judge by with --eval."
        ) from error
