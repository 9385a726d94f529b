"""What an evaluation or a prediction reads."""

from collections.abc import Callable, Iterator

from easymtl.data.feed import Feed
from easymtl.data.order import WHOLE, Share
from easymtl.data.rows import Rows
from easymtl.data.sources import Source, open_source
from easymtl.data.text_form import text_forms
from easymtl.features.encoding_key import open_cache
from easymtl.features.labels import LabelCheck, RowEncoder
from easymtl.protos.pipeline_pb2 import Pipeline

Told = Callable[[int, float], None]
"""Is told how far a pass over data has come: the rows so far, and the share of the data that they are."""


def tell_nobody(num_rows: int, share: float) -> None:
    """Is told, and does nothing."""


def evaluation_source(pipeline: Pipeline, encoder: RowEncoder, paths: str) -> Source:
    """Returns the files of what an encoder reads.

    Raises:
        UserError: they cannot be opened.
    """
    return open_source(paths, pipeline.data_config, encoder.fields, forms=text_forms(pipeline), items=encoder.items)


def evaluation_feed(
    pipeline: Pipeline, encoder: RowEncoder, paths: str, share_of: Callable[[Source], Share] = lambda source: WHOLE
) -> Feed:
    """Returns one pass over the data in `paths`, in order; rows whose labels are checked may come from a cache.

    Others, which are predicted on, are mostly read once.

    Args:
        pipeline: says how files are read.
        encoder: of the rows.
        paths: the data.
        share_of: returns what is read of the files.
    """
    data = pipeline.data_config
    source = evaluation_source(pipeline, encoder, paths)
    cache = open_cache(pipeline, source, encoder) if isinstance(encoder, LabelCheck) else None
    prefetch = max(data.prefetch_size, 1)
    return Feed(source, encoder, data.eval_batch_size, prefetch=prefetch, share=share_of(source), cache=cache)


def limited(batches: Iterator[Rows], limit: int | None) -> Iterator[Rows]:
    """Yields batches of `limit` rows in all."""
    left = limit
    for rows in batches:
        if left is not None and rows.num_rows >= left:
            yield rows.slice(0, left)
            return
        if left is not None:
            left -= rows.num_rows
        yield rows
