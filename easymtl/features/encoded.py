"""Features of a batch as pieces of distinct values, and their rows, taken and packed in NumPy."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Ragged
from easymtl.features.pieces import Bags, Dense, Ids, Piece, Text, expect
from easymtl.features.tables import Slot


class Encoded(NamedTuple):
    """A feature of a batch as pieces of distinct values.

    Attributes:
        piece: of values `[d]`.
        indices: `[n]`, the value of each row; None when the piece has one entry per row.
    """

    piece: Piece
    indices: np.ndarray | None


def take_rows(encoded: Encoded) -> Piece:
    """Returns a piece with one entry per row."""
    piece, indices = encoded
    if indices is None:
        return piece
    counts = {kind: tf.gather(flags, indices) for kind, flags in piece.counts.items()}
    if isinstance(piece, Ids):
        return Ids(tf.gather(piece.ids, indices), counts)
    if isinstance(piece, Text):
        return Text(tf.gather(piece.text, indices), counts)
    if isinstance(piece, Dense):
        return Dense(tf.gather(piece.values, indices), counts)
    lengths = piece.lengths.numpy()
    positions = _positions((np.cumsum(lengths) - lengths)[indices], lengths[indices])
    weights = None if piece.weights is None else tf.gather(piece.weights, positions)
    return Bags(tf.gather(piece.ids, positions), tf.constant(lengths[indices]), weights, counts)


def pack_ids(slots: Sequence[Slot], features: Mapping[str, Encoded], num_rows: int, dtype: type) -> np.ndarray:
    """Returns the row in the width's variable for each row and slot, `[n, K]`."""
    packed: np.ndarray = np.empty((len(slots), num_rows), dtype)
    for place, slot in enumerate(slots):
        encoded = features[slot.feature]
        ids = expect(encoded.piece, Ids).ids.numpy()
        ids = np.where(ids < 0, -1, ids + slot.offset).astype(dtype)
        if encoded.indices is None:
            packed[place] = ids
        else:
            # The default mode of take would buffer its output.
            np.take(ids, encoded.indices, out=packed[place], mode="clip")
    return np.ascontiguousarray(packed.T)


def pack_dense(slots: Sequence[Slot], features: Mapping[str, Encoded]) -> np.ndarray:
    """Returns the numbers of all slots, `[n, W]` float32."""
    columns = []
    for slot in slots:
        encoded = features[slot.feature]
        values = expect(encoded.piece, Dense).values.numpy()
        columns.append(values if encoded.indices is None else values.take(encoded.indices, axis=0))
    return np.concatenate(columns, axis=1)


def pack_distinct_bags(
    slots: Sequence[Slot], features: Mapping[str, Encoded], num_rows: int, dtype: type, is_weighted: bool
) -> Ragged:
    """Returns K bags per row, taken from the pool of the distinct values' bags."""
    starts = np.empty((num_rows, len(slots)), np.int64)
    lengths = np.empty((num_rows, len(slots)), np.int32)
    ids, weights, pool_size = [], [], 0
    for place, slot in enumerate(slots):
        bags, indices = expect(features[slot.feature].piece, Bags), features[slot.feature].indices
        bag_lengths = bags.lengths.numpy()
        firsts = pool_size + np.cumsum(bag_lengths) - bag_lengths
        starts[:, place] = firsts if indices is None else firsts[indices]
        lengths[:, place] = bag_lengths if indices is None else bag_lengths[indices]
        ids.append((bags.ids.numpy() + slot.offset).astype(dtype))
        pool_size += len(ids[-1])
        if is_weighted:
            weights.append(np.ones(len(ids[-1]), np.float32) if bags.weights is None else bags.weights.numpy())
    positions = _positions(starts.reshape(-1), lengths.reshape(-1))
    taken = np.concatenate(weights)[positions] if is_weighted else None
    return Ragged(np.concatenate(ids)[positions], lengths, taken)


def _positions(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns start, start + 1, ... of every run, one behind the other."""
    ends = np.cumsum(lengths, dtype=np.int64)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
