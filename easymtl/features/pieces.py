"""What a transform makes of a column: ids, bags of ids, numbers or text, with the counts of odd values.

Every piece has one entry per value of its column. The encoder makes pieces of distinct values and takes the rows
from them; the exported graph makes them of the rows themselves.
"""

from typing import NamedTuple, TypeVar

import tensorflow as tf

Counts = dict[str, tf.Tensor]
"""Kind of oddity ("missing", "unknown", "out_of_range", ...) -> how often, `[n]` int64."""


class Ids(NamedTuple):
    """One id per value.

    Attributes:
        ids: `[n]` int64, -1 for the zero vector.
        counts: odd values.
    """

    ids: tf.Tensor
    counts: Counts


class Bags(NamedTuple):
    """A bag of weighted ids per value.

    Attributes:
        ids: `[m]` int64, the bags one behind the other.
        lengths: `[n]` int64, ids of each bag.
        weights: `[m]` float32, or None where all are 1.
        counts: odd values.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    weights: tf.Tensor | None
    counts: Counts


class Dense(NamedTuple):
    """Numbers per value.

    Attributes:
        values: `[n, width]` float32.
        counts: odd values.
    """

    values: tf.Tensor
    counts: Counts


class Sequence(NamedTuple):
    """A history per value: any number of steps.

    Attributes:
        steps: what all steps become, one behind the other, `[m]` of them; its counts are empty.
        lengths: `[n]` int64, the steps of each.
        counts: odd values.
    """

    steps: Ids | Bags | Dense
    lengths: tf.Tensor
    counts: Counts


class Plain(NamedTuple):
    """A value as it is, for blocks that read no embeddings.

    Attributes:
        values: `[n]` or `[n, width]`, float32, int64 or string.
        counts: odd values.
    """

    values: tf.Tensor
    counts: Counts


class Text(NamedTuple):
    """Text per value: an intermediate of features that join their inputs.

    Attributes:
        text: `[n]` string.
        counts: odd values.
    """

    text: tf.Tensor
    counts: Counts


class Number(NamedTuple):
    """A number per value: an intermediate of features that compute with their inputs.

    Attributes:
        values: `[n]` float64.
        counts: odd values.
    """

    values: tf.Tensor
    counts: Counts


Piece = Ids | Bags | Dense | Sequence | Plain | Text | Number
_Kind = TypeVar("_Kind", Ids, Bags, Dense, Sequence, Plain, Text, Number)


def expect(piece: Piece, kind: type[_Kind]) -> _Kind:
    """Returns a piece that is of this kind by construction."""
    assert isinstance(piece, kind), f"{type(piece).__name__} where {kind.__name__} was expected"
    return piece


def count(flags: tf.Tensor) -> tf.Tensor:
    """Returns boolean flags `[n]` as numbers to add up, int64."""
    return tf.cast(flags, tf.int64)


def repeated(piece: Piece, num_rows: tf.Tensor) -> Piece:
    """Returns a piece of one value as that of so many rows; of a history, its steps are repeated with it."""

    def tiled(tensor: tf.Tensor) -> tf.Tensor:
        return tf.tile(tensor, tf.stack([num_rows, *[1] * (len(tensor.shape) - 1)]))

    counts = {kind: tiled(numbers) for kind, numbers in piece.counts.items()}
    if isinstance(piece, Sequence):
        steps = repeated(piece.steps, num_rows)
        assert isinstance(steps, Ids | Bags | Dense)
        return Sequence(steps, tiled(piece.lengths), counts)
    values = {name: tiled(value) for name, value in piece._asdict().items() if tf.is_tensor(value)}
    return piece._replace(**values, counts=counts)
