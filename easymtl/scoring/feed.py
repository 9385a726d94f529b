"""What an evaluation or a prediction reads."""

from collections.abc import Callable

from easymtl.data.feed import Feed
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.features.labels import RowEncoder
from easymtl.protos.pipeline_pb2 import Pipeline

Told = Callable[[int, float], None]
"""Is told how far a pass over data has come: the rows so far, and the share of the data that they are."""


def tell_nobody(num_rows: int, share: float) -> None:
    """Is told, and does nothing."""


def evaluation_feed(pipeline: Pipeline, encoder: RowEncoder, paths: str) -> Feed:
    """Returns one pass over the data in `paths`, in order."""
    data = pipeline.data_config
    source = open_source(paths, data, encoder.fields, forms=text_forms(pipeline), items=encoder.items)
    return Feed(source, encoder, data.eval_batch_size, prefetch=max(data.prefetch_size, 1))
