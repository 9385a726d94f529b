"""What `data_config.encoded_cache` has of the data of a config, and would take for all of it."""

import io
from collections.abc import Iterator

from easymtl.config import view
from easymtl.data.bad_values import usable_rows
from easymtl.data.blocks import Source
from easymtl.data.cache_folder import size_text
from easymtl.data.encoded_cache import described, look
from easymtl.data.rows_file import RowsWriter
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.features.encoder import Encoder
from easymtl.features.encoding_key import encoding_of, require_apart
from easymtl.features.feature_set import FeatureSet
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks, key_fields, number_columns
from easymtl.tasks.evaluation import Evaluation

_FIRST_ROWS = 4096


def cached_data(pipeline: Pipeline) -> Iterator[str]:
    """Yields a sentence on the training data, and one on the evaluation data where there are such.

    It encodes the first rows of each. Nothing is written.

    Raises:
        UserError: data cannot be read, or the cache would lie among them.
    """
    tasks, features = build_tasks(pipeline), FeatureSet(pipeline)
    numbers, keys, kept = number_columns(tasks), key_fields(tasks), Evaluation(tasks).key_fields
    encoders = {
        "train": (view.train_input(pipeline), Encoder(features, numbers, key_fields=keys)),
        "eval": (view.eval_input(pipeline), Encoder(features, numbers, kept, keys, as_served=True)),
    }
    for part, (paths, encoder) in encoders.items():
        if paths:
            labels = LabelCheck(encoder, row_rules(pipeline))
            yield f"{part} input: {_told(pipeline, paths, labels)}"


def _told(pipeline: Pipeline, paths: str, encoder: LabelCheck) -> str:
    data, config = pipeline.data_config, pipeline.data_config.encoded_cache
    source = open_source(paths, data, encoder.fields, forms=text_forms(pipeline), items=encoder.items)
    require_apart(config.path, source)
    encoding = encoding_of(data, source, encoder)
    if encoding is None:
        return "no encoded rows are kept: what is told of them changes, or they are made up."
    state = look(config.path, source, encoding)
    needed = state.num_bytes / state.share if state.share else _bytes_of_row(source, encoder) * _num_rows(source)
    text = f"{described(config.path, state)}. All of it takes about {size_text(needed)}"
    if config.max_bytes and needed > config.max_bytes:
        text += f", which is more than max_bytes ({size_text(config.max_bytes)})"
    return f"{text}."


def _bytes_of_row(source: Source, encoder: LabelCheck) -> float:
    """Returns the bytes of an encoded row, by the first ones."""
    for block in source.blocks:
        for batch in source.read(block):
            if batch.num_rows:
                rows = usable_rows(encoder, batch.slice(0, _FIRST_ROWS), source, [block])[1]
                sink = io.BytesIO()
                RowsWriter(sink).add(rows, {})
                return len(sink.getvalue()) / max(rows.num_rows, 1)
    return 0.0


def _num_rows(source: Source) -> float:
    """Returns the rows of the data, about, where the files do not tell them: by the first block."""
    if source.num_rows is not None:
        return float(source.num_rows)
    total = sum(block.size for block in source.blocks)
    return sum(batch.num_rows for batch in source.read(source.blocks[0])) * total / max(source.blocks[0].size, 1)
