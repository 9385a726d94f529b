"""Rows whose columns have types: checked against what is declared, and converted where nothing is lost."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.blocks import Block, Source, Value
from easymtl.data.casts import NONE
from easymtl.data.column_types import convert, plain_type
from easymtl.data.convert import default_scalar, fill_empty
from easymtl.data.fields import Field
from easymtl.data.lists import is_list
from easymtl.data.paired_lists import pair_lists, unpaired_problem
from easymtl.data.partitions import contradiction, other_value, repeat
from easymtl.data.paths import DataFile
from easymtl.data.type_problems import type_problem, why_not
from easymtl.errors import UserError, did_you_mean, quoted


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


class TypedSource(Source):
    """Rows of typed columns; those of another type than declared are converted where nothing is lost.

    Who inherits says where the rows of a block are (`_batches`, `_first_row`, `_place`), and what holds them.

    Attributes:
        fields: the columns that are read, by name, in order.
    """

    def __init__(
        self,
        fields: dict[str, Field],
        blocks: list[Block],
        schemas: Mapping[DataFile, pa.Schema],
        of_folders: Mapping[DataFile, Mapping[str, pa.Scalar]],
        ignore_error: bool,
    ):
        """Checks the types.

        Args:
            fields: the columns to read, as declared.
            blocks: what is read.
            schemas: of each file.
            of_folders: the columns in the names of folders of each file.
            ignore_error: leave out and count rows whose text does not parse.

        Raises:
            UserError: a column is of a type that cannot be converted.
        """
        self._schemas = schemas
        self._of_folders = of_folders
        fields = {name: self._found(field) for name, field in fields.items()}
        self._defaults = [None if field.as_found else default_scalar(field) for field in fields.values()]
        super().__init__(fields, blocks, ignore_error)
        for file in schemas:
            self._check_types(file)

    def _batches(self, block: Block, names: list[str]) -> Iterator[pa.RecordBatch]:
        """Yields what a block holds of columns, and of those tags whose weights are among them."""
        raise NotImplementedError

    def _first_row(self, block: Block) -> int:
        """Returns the number of the first row of a block, as messages count."""
        raise NotImplementedError

    def _place(self, block: Block, row: int) -> str:
        """Returns how a message calls a row."""
        raise NotImplementedError

    def _wanted(self, block: Block, names: Sequence[str]) -> list[str]:
        """Returns the columns that a block holds of some, and of the tags whose weights are among them."""
        tags = [tag for name in names for tag in self.fields[name].form.tags]
        return [name for name in dict.fromkeys([*names, *tags]) if name in self._schemas[block.file].names]

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
                problem = type_problem(schema.field(field.name).type, field, file.what)
                if problem:
                    raise UserError(f"{file.name}: {problem}")

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


def check_columns(
    file: DataFile, schema: pa.Schema, names: Iterable[str], folders: Collection[str], other_names: Sequence[str] = ()
) -> None:
    """Checks that each column is there once.

    Args:
        file: for messages.
        schema: of the file.
        names: the columns.
        folders: those that stand in the names of folders.
        other_names: what else the file has.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if schema.names.count(name) == 1 or (name in folders and name not in schema.names):
            continue
        times = "is there more than once"
        if name not in schema.names:
            times = f"is not in the {file.what}" + (f", and no folder is named {name}=..." if "=" in file.path else "")
        known = [*schema.names, *other_names]
        raise UserError(f'{file.name}: column "{name}" {times} ({quoted(known)}).{did_you_mean(name, known)}')
