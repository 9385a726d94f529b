"""Tables in memory as a source: a block is a run of rows, wherever the chunks of the table begin and end."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from easymtl.data.blocks import Block
from easymtl.data.fields import Field
from easymtl.data.paths import DataFile
from easymtl.data.typed_columns import TypedSource, check_columns

_BLOCK_ROWS = 1 << 18


class TableSource(TypedSource):
    """Tables in memory; they are read as the same columns of Parquet are."""

    def __init__(
        self,
        files: Sequence[DataFile],
        declared: dict[str, Field],
        columns: Sequence[str],
        ignore_error: bool = False,
        batch_rows: int = 65536,
    ):
        """Takes the same as `ParquetSource`; each of the files is a table.

        Raises:
            UserError: a column is missing or of a type that cannot be converted.
        """
        fields = {name: declared[name] for name in columns}
        self._batch_rows = batch_rows
        schemas: dict[DataFile, pa.Schema] = {}
        blocks = []
        for file in files:
            assert file.held is not None, "tables alone are read here"
            table = file.held.table
            check_columns(file, table.schema, fields, (), file.held.other_names)
            schemas[file] = table.schema
            for number, start in enumerate(range(0, table.num_rows, _BLOCK_ROWS)):
                rows = min(_BLOCK_ROWS, table.num_rows - start)
                blocks.append(Block(file, number, table.nbytes * rows // table.num_rows, rows))
        super().__init__(fields, blocks, schemas, {file: {} for file in files}, ignore_error)

    def _place(self, block: Block, row: int) -> str:
        return f"{block.file.name}: row {row} (the first is 0)"

    def _first_row(self, block: Block) -> int:
        return block.start * _BLOCK_ROWS

    def _batches(self, block: Block, names: list[str]) -> Iterator[pa.RecordBatch]:
        assert block.file.held is not None and block.num_rows is not None
        table = block.file.held.table.select(self._wanted(block, names))
        first = self._first_row(block)
        for start in range(first, first + block.num_rows, self._batch_rows):
            rows = table.slice(start, min(self._batch_rows, first + block.num_rows - start))
            # A column in one chunk, as most tables have it, is not copied.
            yield from rows.combine_chunks().to_batches()
