"""TFRecord files of tf.train.Example, plain or gzip: one record is one row, several values of a column are a list."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.column_types import convert
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.csv_text import is_gzip, open_stream
from easymtl.data.fields import DICTIONARY, Field
from easymtl.data.paired_lists import pair_lists, unpaired_problem
from easymtl.data.paths import DataFile
from easymtl.data.record_frames import HEADER_BYTES, borders, checksums, frames, groups, is_header
from easymtl.data.type_problems import type_problem, why_not
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.example_pb2 import Example, Feature

_MOST_ROWS = 8192
_NUM_PROBED = 1000
_KINDS = {"bytes_list": pa.binary(), "float_list": pa.float32(), "int64_list": pa.int64()}


class TFRecordSource(Source):
    """TFRecord files cut into blocks at records; a gzip file is one block of several record batches.

    A column that a record lacks, or that holds no value in it, is missing in that row.
    """

    def __init__(
        self,
        files: Sequence[DataFile],
        declared: dict[str, Field],
        columns: Sequence[str],
        ignore_error: bool = False,
        block_bytes: int = 8 << 20,
        batch_rows: int = _MOST_ROWS,
    ):
        """Finds the blocks.

        Args:
            files: what to read.
            declared: the declared columns by name.
            columns: the columns to read.
            ignore_error: leave out and count records that cannot be used.
            block_bytes: about how much of a plain file is one block.
            batch_rows: the largest number of rows of a record batch.

        Raises:
            UserError: a file holds no records, or no file has a column in its first ones.
        """
        fields = {name: declared[name] for name in columns}
        self._batch_rows = min(batch_rows, _MOST_ROWS)
        self._defaults = [default_scalar(field) for field in fields.values()]
        self._before: dict[Block, int] = {}
        files = [file for file in files if file.size]
        _require_columns(files, fields)
        blocks: list[Block] = []
        for file in files:
            if _is_packed(file):
                blocks.append(Block(file, 0, file.size, None, True))
            else:
                ends = borders(file, block_bytes)
                blocks += [Block(file, start, end - start) for start, end in itertools.pairwise(ends)]
        super().__init__(fields, blocks, ignore_error)

    def read(self, block: Block) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a block in order, cut the same way each time."""
        for first, records in self._records(block):
            bad: dict[int, str] = {}
            examples = self._parse(records, bad)
            arrays = [
                fill_empty(self._column(block, examples, field, first, bad), default)
                for field, default in zip(self.fields.values(), self._defaults)
            ]
            self._report(block, first, bad)
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            yield batch.filter(pa.array([row not in bad for row in range(len(records))])) if bad else batch

    def find(self, block: Block, name: str, value: Value) -> str | None:
        """Returns file and record of the first row of a block in which a column holds a value, or None."""
        default = self._defaults[list(self.fields).index(name)]
        for first, records in self._records(block):
            bad: dict[int, str] = {}
            column = fill_empty(self._column(block, self._parse(records, bad), self.fields[name], first, bad), default)
            texts = column.cast(pa.string()) if isinstance(value, str) else column
            place = pc.index(pc.is_in(texts, pa.array([value], texts.type)), True).as_py()
            if place >= 0:
                return self._place(block, first + place)
        return None

    def _records(self, block: Block) -> Iterator[tuple[int, list[tuple[bytes, int]]]]:
        """Yields the records of a block in groups, each with the place of its first in the block."""
        first = 0
        with _open(block.file) as stream:
            if not block.is_stream:
                stream.seek(block.start)
            size = None if block.is_stream else block.size
            for records in groups(frames(stream, block.file, size), self._batch_rows):
                yield first, records
                first += len(records)

    def _parse(self, records: list[tuple[bytes, int]], bad: dict[int, str]) -> list[Example]:
        """Returns the rows; one that is damaged is empty, and told of in `bad`."""
        stored = np.array([checksum for _, checksum in records], np.uint32)
        damaged = set(np.flatnonzero(checksums([data for data, _ in records]) != stored).tolist())
        examples = []
        for row, (data, _) in enumerate(records):
            example = Example()
            if row in damaged:
                bad[row] = "the record does not fit its checksum."
            else:
                try:
                    example.ParseFromString(data)
                except DecodeError:
                    bad[row] = "the record is no tf.train.Example."
                    example = Example()
            examples.append(example)
        return examples

    def _column(self, block: Block, examples: list[Example], field: Field, first: int, bad: dict[int, str]) -> pa.Array:
        """Returns a column as declared; values of each kind, and lists apart from single ones, become it alike."""
        empty = pa.nulls(len(examples), pa.string() if field.type == pa.string() else field.type)
        result = empty
        tags = {name: _values(examples, name) for name in field.form.tags}
        for (_kind, _is_list), column in _values(examples, field.name).items():
            problem = type_problem(column.type, field)
            if problem:
                row = int(np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))[0])
                raise UserError(f"{self._place(block, first + row)}: {problem}")
            batch = {field.name: column}
            batch |= {name: found["bytes_list", True] for name, found in tags.items() if ("bytes_list", True) in found}
            found, unpaired = pair_lists(pa.RecordBatch.from_pydict(batch), field)
            values, wrong = convert(found, field)
            for row in np.union1d(wrong, unpaired).astype(int).tolist():
                bad.setdefault(row, unpaired_problem(field) if row in unpaired else why_not(found, row, field))
            values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
            result = pc.coalesce(result, values)
        return result.dictionary_encode().cast(DICTIONARY) if field.type == pa.string() else result

    def _report(self, block: Block, first: int, bad: dict[int, str]) -> None:
        for number, row in enumerate(sorted(bad)):
            problem = f"{self._place(block, first + row)}: {bad[row]}"
            if not self.ignore_error:
                raise UserError(f"{problem} Correct it, or set data_config.ignore_error to leave out such rows.")
            self.skipped.add(problem)
            self.skipped.place([row - number])

    def _place(self, block: Block, row: int) -> str:
        """Returns file and number of a record, from 1 on; those before the block are counted once, for a message."""
        if block.start and block not in self._before:
            with block.file.open() as stream:
                self._before[block] = sum(1 for _ in frames(stream, block.file, block.start))
        return f"{block.file.name}: record {self._before.get(block, 0) + row + 1}"


def _values(examples: list[Example], name: str) -> dict[tuple[str, bool], pa.Array]:
    """Returns the values `[n]` of a column by their kind and whether they are lists, null in rows of another kind."""
    found: dict[tuple[str, bool], dict[int, list]] = {}
    for row, example in enumerate(examples):
        # A map makes the entry that it is asked for.
        if name in example.features.feature:
            feature = example.features.feature[name]
            kind = feature.WhichOneof("kind")
            values = getattr(feature, kind).value if kind else ()
            if values:
                found.setdefault((kind, len(values) > 1), {})[row] = list(values) if len(values) > 1 else values[0]
    return {
        (kind, is_list): pa.array(
            [rows.get(row) for row in range(len(examples))], pa.list_(_KINDS[kind]) if is_list else _KINDS[kind]
        )
        for (kind, is_list), rows in found.items()
    }


def names_in(files: Sequence[DataFile]) -> dict[str, str]:
    """Returns name and type of the columns that the first records of each file have.

    A record need not have what is missing in it, so that a file may hold a column which another one lacks.

    Raises:
        UserError: a file holds no records.
    """
    names: dict[str, str] = {}
    for file in files:
        with _open(file) as stream:
            for data, _ in itertools.islice(frames(stream, file), _NUM_PROBED):
                try:
                    features = Example.FromString(data).features.feature
                except DecodeError:
                    continue
                names |= dict(sorted(map(partial(_told, features), features)))
    return names


def _told(features: Mapping[str, Feature], key: str | bytes) -> tuple[str, str]:
    """Returns name and type of a column; one whose name is no UTF-8 text comes as bytes, and cannot be asked for."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace"), "null"
    return key, str(_KINDS.get(features[key].WhichOneof("kind"), "null"))


def _require_columns(files: Sequence[DataFile], names: dict[str, Field]) -> None:
    found = names_in(files)
    for name in names:
        if found and name not in found:
            where = files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
            raise UserError(
                f'{where}: column "{name}" is in none of the first {_NUM_PROBED:,} records ({quoted(found)}).'
                f"{did_you_mean(name, found)}"
            )


def _is_packed(file: DataFile) -> bool:
    """Returns whether a file is gzip: the length of a first record may look like the beginning of one."""
    return is_gzip(file) and not is_header(file.read_at(0, HEADER_BYTES))


def _open(file: DataFile) -> pa.NativeFile:
    return open_stream(file) if _is_packed(file) else file.open()
