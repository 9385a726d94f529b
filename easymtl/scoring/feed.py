"""What an evaluation or a prediction reads."""

from easymtl.data.feed import Feed
from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.features.labels import RowEncoder
from easymtl.protos.pipeline_pb2 import Pipeline


def evaluation_feed(pipeline: Pipeline, encoder: RowEncoder, paths: str) -> Feed:
    """Returns one pass over the data in `paths`, in order."""
    data = pipeline.data_config
    source = open_source(paths, data, encoder.fields, forms=text_forms(pipeline), items=encoder.items)
    return Feed(source, encoder, data.eval_batch_size, prefetch=max(data.prefetch_size, 1))
