"""Histories that are read side by side: step t of one belongs to step t of the other, so they have equal lengths."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.features import pieces
from easymtl.features.encoded import Encoded
from easymtl.features.pieces import Piece, expect
from easymtl.features.side_by_side import uneven
from easymtl.features.transform import Transform


def require_parallel(made: Mapping[str, Piece], parallel: Sequence[tuple[str, ...]]) -> None:
    """Makes a graph refuse rows whose histories have different lengths; names the features."""
    for first, *others in parallel:
        lengths = expect(made[first], pieces.Sequence).lengths
        for other in others:
            message = f'the histories "{first}" and "{other}" of a row have different numbers of steps'
            found = expect(made[other], pieces.Sequence).lengths
            tf.debugging.assert_equal(lengths, found, message)


def require_parallel_rows(
    batch: pa.RecordBatch,
    features: Mapping[str, Encoded],
    transforms: Mapping[str, Transform],
    parallel: Sequence[tuple[str, ...]],
) -> None:
    """Checks the same of encoded rows.

    Raises:
        BadValues: lengths differ; it names the features, their lengths and, once it is located, file and row.
    """
    for first, *others in parallel:
        lengths = _lengths(features[first])
        for other in others:
            found = _lengths(features[other])
            rows = lengths != found
            if not rows.any():
                continue
            row = int(np.argmax(rows))
            fields = [transforms[name].inputs[0] for name in (first, other)]
            texts = {field: batch.column(field)[row].as_py() or "" for field in fields}
            raise uneven({first: int(lengths[row]), other: int(found[row])}, texts, rows)


def _lengths(encoded: Encoded) -> np.ndarray:
    lengths = expect(encoded.piece, pieces.Sequence).lengths.numpy()
    return lengths if encoded.indices is None else lengths[encoded.indices]
