"""Rows that were left out, told with the row behind them: whoever uses that row has passed over them."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from easymtl.data.bad_values import usable_rows
from easymtl.data.blocks import Block, Source
from easymtl.data.rows import TOLD, Rows

SKIPPED = f"{TOLD}skipped"
"""How many rows were left out before each, `[n]` uint32; the last row of the data tells of those behind it, too."""

_NUMBER = "number of the row"


def encode_rows(
    encode: Callable[[pa.RecordBatch], Rows],
    batch: pa.RecordBatch,
    source: Source,
    blocks: Sequence[Block],
    places: np.ndarray,
) -> tuple[Rows, int]:
    """Returns the encoded rows of a batch; with `ignore_error` without those whose values cannot be used.

    Args:
        encode: turns a record batch into rows, one for one.
        batch: read from the blocks.
        source: counts what is left out.
        blocks: where the batch comes from.
        places: the rows of the batch before each one that was left out when it was read.

    Returns:
        The rows, and how many were left out that none of them tells of, because there is none.
    """
    if not source.ignore_error:
        return usable_rows(encode, batch, source, blocks)[1], 0
    numbers = np.arange(batch.num_rows)
    numbered = batch.append_column(_NUMBER, pa.array(numbers))
    used, rows = usable_rows(encode, numbered, source, blocks)
    kept = used.column(_NUMBER).to_numpy()
    skipped = np.searchsorted(kept, np.concatenate([places, np.setdiff1d(numbers, kept)]))
    last = max(len(kept) - 1, 0)
    counts = np.bincount(np.minimum(skipped, last), minlength=len(kept))[: len(kept)]
    rows.columns[SKIPPED] = counts.astype(np.uint32)
    return rows, 0 if len(kept) else len(skipped)
