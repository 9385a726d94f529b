"""A batch under its names: what in it is odd, and the file it is kept in."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from easymtl.data.rows import Rows
from easymtl.errors import UserError
from easymtl.features.feature_set import FeatureSet, Slot
from easymtl.features.numbers import NumberColumn

EXTREME = 1e6
# Numbers this many times the median of their column are far beyond the rest, unless they are small all the same.
_FAR = 1e4
_SMALL = 1e3


def odd_values(values: np.ndarray, is_missing_allowed: bool = False) -> str:
    """Returns what is odd with numbers `[n]` or `[n, width]`, one row each, in words; empty when nothing is.

    Odd is what is not finite, beyond a million, or ten thousand times the median.
    """
    if not len(values):
        return ""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    bad = ~np.isfinite(rows)
    if is_missing_allowed:
        bad &= ~np.isnan(rows)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        return f"{_counted(bad)} not finite, such as {rows[row, column]:g} in row {row + 1} of the batch"
    sizes = np.where(np.isfinite(rows), np.abs(rows), 0.0)
    present = sizes[sizes > 0]
    if not present.size:
        return ""
    limit = min(EXTREME, max(_FAR * float(np.median(present)), _SMALL))
    if sizes.max() <= limit:
        return ""
    row, column = np.unravel_index(np.argmax(sizes), sizes.shape)
    return f"{_counted(sizes > limit)} extreme, such as {rows[row, column]:g} in row {row + 1} of the batch"


def _counted(flags: np.ndarray) -> str:
    number = int(flags.sum())
    return f"{number:,} {'value is' if number == 1 else 'values are'}"


def odd_columns(rows: Rows, feature_set: FeatureSet, numbers: Sequence[NumberColumn]) -> Iterator[str]:
    """Yields a line for each label, weight and feature of a batch that holds odd numbers."""
    for name, values in _numbers(rows, numbers):
        if found := odd_values(values, is_missing_allowed=True):
            yield f'label or weight "{name}": {found}'
    for slot in _slots(feature_set):
        of_slot = slot.columns.numbers(rows.columns[slot.columns.name], slot)
        if of_slot is None:
            continue
        found = odd_values(of_slot.values)
        # Else it is a place among the tags, or the steps, of all rows.
        found = found if of_slot.are_rows else found.split(" in row")[0]
        if found:
            yield f'feature "{slot.feature}": {found}'


def write_batch(path: Path, rows: Rows, feature_set: FeatureSet, numbers: Sequence[NumberColumn]) -> None:
    """Writes a batch as Parquet: labels and weights, numbers, and rows of tables, by name.

    Ids are the rows of the feature's own table, null is the zero vector. Tags are lists, with their weights in
    "<feature> weights". A feature with the name of a label is "<feature> (feature)".

    Raises:
        UserError: it could not be written.
    """
    columns: dict[str, pa.Array] = {name: pa.array(values) for name, values in _numbers(rows, numbers)}
    labels = set(columns)
    for slot in _slots(feature_set):
        name = f"{slot.feature} (feature)" if slot.feature in labels else slot.feature
        columns |= {name + ending: array for ending, array in _arrays(rows, slot)}
    try:
        pq.write_table(pa.table(columns), path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None


def _arrays(rows: Rows, slot: Slot) -> Iterator[tuple[str, pa.Array]]:
    return slot.columns.arrays(rows.columns[slot.columns.name], slot)


def _numbers(rows: Rows, columns: Sequence[NumberColumn]) -> Iterator[tuple[str, np.ndarray]]:
    for index, column in enumerate(columns):
        yield column.name, np.asarray(rows.columns["numbers"])[:, index]


def _slots(feature_set: FeatureSet) -> list[Slot]:
    """Returns one slot of each feature; in two groups it holds the same."""
    return list({slot.feature: slot for slot in feature_set.slots}.values())
