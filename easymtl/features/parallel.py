"""Histories that are read side by side: step t of one belongs to step t of the other, so they have equal lengths."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.data.fields import LISTS
from easymtl.data.lists import texts_of_lists
from easymtl.features import pieces
from easymtl.features.encoded import Encoded
from easymtl.features.pieces import Piece, expect
from easymtl.features.side_by_side import uneven
from easymtl.features.transform import Transform


def require_parallel(made: Mapping[str, Piece], parallel: Sequence[tuple[str, ...]]) -> list[tf.Operation]:
    """Returns what makes a graph refuse rows whose histories have different lengths, and names the features.

    What is computed of the histories has to wait for it: their unequal lengths would fail that, too, without a name.
    """
    checks = []
    for first, *others in parallel:
        lengths = expect(made[first], pieces.Sequence).lengths
        for other in others:
            message = f'the histories "{first}" and "{other}" of a row have different numbers of steps'
            found = expect(made[other], pieces.Sequence).lengths
            checks.append(tf.debugging.assert_equal(lengths, found, message))
    # There are no operations to wait for where they run one by one.
    return [check for check in checks if check is not None]


def require_parallel_rows(
    column_of: Callable[[str], pa.Array],
    features: Mapping[str, Encoded],
    transforms: Mapping[str, Transform],
    parallel: Sequence[tuple[str, ...]],
) -> None:
    """Checks the same of encoded rows.

    Args:
        column_of: returns what the features have read of a field.
        features: encoded.
        transforms: of the features.
        parallel: names of features that have to have equal lengths.

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
            histories = [transforms[name] for name in (first, other)]
            texts = {one.inputs[0]: text_of_row(column_of(one.inputs[0]), one, row) for one in histories}
            raise uneven({first: int(lengths[row]), other: int(found[row])}, texts, rows)


def _lengths(encoded: Encoded) -> np.ndarray:
    lengths = expect(encoded.piece, pieces.Sequence).lengths.numpy()
    return lengths if encoded.indices is None else lengths[encoded.indices]


def text_of_row(column: pa.Array, reader: Transform, row: int) -> str:
    """Returns the text of the first input of a feature in a row, as a file would hold it."""
    column = column[row : row + 1]
    texts = texts_of_lists(column, reader.separators(0)[0]) if column.type == LISTS else column
    return texts[0].as_py() or ""
