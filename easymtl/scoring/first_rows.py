"""The first rows of data, encoded: those between which parts of the inputs are exchanged."""

from easymtl.data.rows import TOLD, Rows
from easymtl.errors import UserError
from easymtl.features.labels import RowEncoder
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import evaluation_feed


def first_rows(pipeline: Pipeline, encoder: RowEncoder, paths: str, limit: int) -> Rows:
    """Returns the first `limit` rows of `paths` as an encoder makes them, without what it tells of them.

    Raises:
        UserError: the data cannot be read, or there are fewer than 2 rows.
    """
    parts, left = [], limit
    with evaluation_feed(pipeline, encoder, paths) as feed:
        for batch in feed:
            part = batch.rows.slice(0, min(left, batch.rows.num_rows))
            parts.append(Rows({name: one for name, one in part.columns.items() if not name.startswith(TOLD)}))
            left -= part.num_rows
            if left <= 0:
                break
    rows = Rows.concat(parts) if parts else Rows({})
    if rows.num_rows < 2:
        has = f"{rows.num_rows} row" if rows.num_rows else "no row"
        raise UserError(f"{paths}: has {has}, and values are exchanged between rows. Name more data with --input.")
    return rows
