"""The rows that importance is measured on, in blocks by which it is told how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from easymtl.data.rows import Rows
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.first_rows import first_rows
from easymtl.scoring.scorer import RankerScorer, kept_columns
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.task import Task

NUM_BLOCKS = 10


@dataclass(frozen=True)
class Blocks:
    """Encoded rows with labels, block after block.

    Attributes:
        rows: of all blocks.
        bounds: where each block starts, and the end of the last.
    """

    rows: Rows
    bounds: tuple[int, ...]


def read_rows(pipeline: Pipeline, scorer: RankerScorer, tasks: Sequence[Task], paths: str, limit: int) -> Rows:
    """Returns the first `limit` encoded rows of `paths`, with labels and the keys of metrics.

    Raises:
        UserError: the data cannot be read, a label or weight is none, or there are fewer than 2 rows.
    """
    encoder = scorer.encoder(Evaluation(tasks).key_fields)
    checked = LabelCheck(encoder, row_rules(pipeline))
    return first_rows(pipeline, checked, paths, limit)


def into_blocks(rows: Rows, seed: int) -> Blocks:
    """Sorts rows into at most 10 blocks of about equal size, drawn by the seed.

    Rows of one session, or of one group of a metric, are in one block unless these are fewer than blocks.
    """
    units = _units(rows)
    num_units = int(units.max()) + 1
    count = min(NUM_BLOCKS, num_units)
    block = (np.random.default_rng(seed).permutation(num_units) % count)[units]
    starts = np.searchsorted(np.sort(block), np.arange(count + 1))
    return Blocks(rows.take(np.argsort(block, kind="stable")), tuple(starts.tolist()))


def _units(rows: Rows) -> np.ndarray:
    """Returns for each row the number of what may not be cut: the widest of its sessions and groups, or itself."""
    found = []
    if "keys" in rows.columns:
        found += [*np.asarray(rows["keys"]).reshape(rows.num_rows, -1).T]
    # The numbers of decoded values are those of their first appearance, whatever the batches were.
    for column in kept_columns(rows).values():
        decoded = column.dictionary_decode() if hasattr(column, "dictionary") else column
        found.append(decoded.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False))
    numbered = [np.unique(keys, return_inverse=True)[1] for keys in found]
    enough = [units for units in numbered if units.max() + 1 >= NUM_BLOCKS]
    return min(enough, key=lambda units: units.max(), default=np.arange(rows.num_rows))
