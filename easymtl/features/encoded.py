"""Features of a batch as pieces of distinct values, and the pieces of their rows."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Ragged
from easymtl.features.pieces import Bags, Dense, Ids, Number, Piece, Text, expect


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
    if isinstance(piece, Number):
        return Number(tf.gather(piece.values, indices), counts)
    bags = expect(piece, Bags)
    weights = None if bags.weights is None else bags.weights.numpy()
    taken = Ragged(bags.ids.numpy(), bags.lengths.numpy()[:, np.newaxis], weights).take(indices)
    of_rows = None if taken.weights is None else tf.constant(taken.weights)
    return Bags(tf.constant(taken.values), tf.constant(taken.lengths[:, 0]), of_rows, counts)
