"""One of two things that parity imitates: EasyRec gives row 0 of a table a gradient of zero when a value is missing.

There a missing value looks up row 0 and multiplies the result by zero. The vector is zero as here, but for Momentum,
RMSProp and LazyAdam the row counts as touched, and moves by what it has gathered before. Here it does not.
"""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.embeddings import Embeddings, Lookup
from easymtl.features.kinds import IdColumns, Slot, StepColumns


def touch_rows_as_easyrec(embeddings: Embeddings) -> None:
    """Makes every later `lookup` of these embeddings name the rows that EasyRec touches."""
    plain = embeddings.lookup

    def lookup(batch: Mapping[str, tf.Tensor]) -> dict[int, Lookup]:
        return {width: _with_first_rows(embeddings, width, found, batch) for width, found in plain(batch).items()}

    embeddings.lookup = lookup


def _with_first_rows(embeddings: Embeddings, width: int, found: Lookup, batch: Mapping[str, tf.Tensor]) -> Lookup:
    slots = embeddings.feature_set.slots
    first_rows = {
        (slot.columns.name, slot.index): tf.where(_has_missing(embeddings, slot, batch), slot.table.offset, -1)
        for slot in slots
        if slot.table is not None and slot.width == width
    }
    rows, _ = tf.unique(tf.cast(tf.stack(list(first_rows.values())), found.row_numbers.dtype))
    is_known = tf.reduce_any(rows[:, tf.newaxis] == found.row_numbers[tf.newaxis], axis=1)
    rows = tf.boolean_mask(rows, ~is_known & (rows >= 0))
    row_numbers = tf.concat([found.row_numbers, rows], axis=0)
    values = tf.concat([found.rows, tf.gather(embeddings.variable(width), rows)], axis=0)
    return Lookup(row_numbers, values, found.positions)


def _has_missing(embeddings: Embeddings, slot: Slot, batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
    if isinstance(slot.columns, StepColumns):
        return tf.constant(False)
    if isinstance(slot.columns, IdColumns):
        return tf.reduce_any(batch[slot.columns.name][:, slot.index] < 0)
    num_bags = slot.columns.num_places
    segments = batch[f"bag_segments_{slot.width}"]
    mine = tf.boolean_mask(segments, segments % num_bags == slot.index)
    return tf.size(tf.unique(mine)[0]) < batch["batch_size"]
