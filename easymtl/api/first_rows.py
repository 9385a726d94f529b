"""The first rows of data, which a check looks at."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from easymtl.data.blocks import Block, Source
from easymtl.data.paths import expand
from easymtl.data.sources import open_source
from easymtl.data.text_form import TextForm, text_forms
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline

FIRST_BYTES = 1 << 16
_FIRST_ROWS = 1024


def first_rows(paths: str, pipeline: Pipeline, fields: Sequence[str]) -> pa.RecordBatch:
    """Returns the first rows of data that can be read as declared.

    Raises:
        UserError: they cannot.
    """
    return rows_at_first(paths, pipeline.data_config, fields, text_forms(pipeline))[2]


def rows_at_first(
    paths: str, data_config: DatasetConfig, fields: Sequence[str], forms: Mapping[str, TextForm] | None
) -> tuple[Source, Block, pa.RecordBatch]:
    """Returns the source of the fields, the block that its first row is in, and the first rows.

    Raises:
        UserError: they cannot be read, or there is none.
    """
    source = open_source(paths, data_config, fields, block_bytes=FIRST_BYTES, batch_rows=_FIRST_ROWS, forms=forms)
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
