"""The steps of histories, in one of two layouts that layers need not tell apart.

`Segments` holds the steps that exist, one behind the other; that is how training computes. `Rectangle` pads each row to
the longest; that is what packed requests hold, and what layers take that are not written for steps.

A layer works on `flat`, `[n, width]`, whatever the layout is, and comes back to rows by `softmax` and `sum`:

    scores = dnn(tf.concat([steps.spread(query), steps.flat], axis=1))       # [n, 1]
    attended = steps.sum(steps.flat * steps.softmax(scores)[:, tf.newaxis])  # [batch, width]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.context import HOST
from easymtl.layers.segments import NOTHING, run_softmax, run_sum, spread_over_runs


class Steps(ABC):
    """Steps of a batch of rows, each a vector.

    Attributes:
        flat: `[n, width]`, all steps of row 0, of row 1, ...; a rectangle's padding counts as steps.
        lengths: int32 `[batch]`, the steps of each row that exist.
    """

    flat: tf.Tensor
    lengths: tf.Tensor

    @property
    def width(self) -> int:
        """Returns the width of a step."""
        return int(self.flat.shape[-1])

    @property
    def batch_size(self) -> tf.Tensor:
        """Returns the number of rows, a scalar."""
        return tf.shape(self.lengths)[0]

    @abstractmethod
    def replaced(self, flat: tf.Tensor) -> Steps:
        """Returns these steps with other vectors, `[n, other width]`."""

    @abstractmethod
    def spread(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns for vectors of rows `[batch, width]` the one of each step's row, `[n, width]`."""

    @abstractmethod
    def softmax(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns weights float32 `[n]` for scores `[n]` or `[n, 1]`: they sum to 1 in each row, and padding has 0."""

    @abstractmethod
    def sum(self, flat: tf.Tensor) -> tf.Tensor:
        """Returns the sum of vectors `[n, width]` over the steps of each row, `[batch, width]`, without the padding."""

    @abstractmethod
    def positions(self) -> tf.Tensor:
        """Returns the place of each step in its row, int32 `[n]`."""

    @abstractmethod
    def segments(self) -> Segments:
        """Returns the same steps without padding."""

    @abstractmethod
    def rectangle(self) -> Rectangle:
        """Returns the same steps padded with 0 to the longest row, at least one step."""

    def mean(self) -> tf.Tensor:
        """Returns the mean step of each row, `[batch, width]`, and 0 for rows without steps."""
        return tf.math.divide_no_nan(self.sum(self.flat), tf.cast(self.lengths, self.flat.dtype)[:, tf.newaxis])


class Segments(Steps):
    """The steps that exist.

    Attributes:
        rows: int32 `[n]`, ascending: the row of each step.
    """

    def __init__(self, flat: tf.Tensor, rows: tf.Tensor, lengths: tf.Tensor):
        self.flat, self.rows, self.lengths = flat, rows, lengths

    def replaced(self, flat: tf.Tensor) -> Segments:
        """Returns these steps with other vectors, `[n, other width]`."""
        return Segments(flat, self.rows, self.lengths)

    def spread(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns for vectors of rows `[batch, width]` the one of each step's row, `[n, width]`."""
        return spread_over_runs(rows, self.rows)

    def softmax(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns weights float32 `[n]` for scores `[n]` or `[n, 1]`: they sum to 1 in each row."""
        return run_softmax(tf.reshape(tf.cast(scores, tf.float32), [-1]), self.rows, self.batch_size)

    def sum(self, flat: tf.Tensor) -> tf.Tensor:
        """Returns the sum over the steps of each row, `[batch, width]`, of vectors `[n, width]`."""
        return run_sum(flat, self.rows, self.batch_size)

    def positions(self) -> tf.Tensor:
        """Returns the place of each step in its row, int32 `[n]`."""
        # Of a batch rows and lengths are the host's, and what follows from these is about sizes.
        with tf.device(HOST):
            starts = tf.cumsum(self.lengths, exclusive=True)
            return tf.range(tf.shape(self.rows)[0]) - tf.gather(starts, self.rows)

    def segments(self) -> Segments:
        """Returns itself."""
        return self

    def rectangle(self) -> Rectangle:
        """Returns the steps padded with 0 to the longest row, at least one step."""
        longest = tf.maximum(tf.reduce_max(tf.concat([[1], self.lengths], axis=0)), 1)
        places = (self.rows * longest + self.positions())[:, tf.newaxis]
        padded = tf.scatter_nd(places, self.flat, tf.stack([self.batch_size * longest, self.width]))
        return Rectangle(tf.reshape(padded, tf.stack([self.batch_size, longest, self.width])), self.lengths)


class Rectangle(Steps):
    """Steps padded to the longest row.

    Attributes:
        values: `[batch, longest, width]`; what stands behind a row's length has no meaning.
    """

    def __init__(self, values: tf.Tensor, lengths: tf.Tensor):
        self.values, self.lengths = values, lengths
        self.flat = tf.reshape(values, [-1, values.shape[-1]])

    @property
    def longest(self) -> tf.Tensor:
        """Returns the steps of each row with its padding, a scalar."""
        return tf.shape(self.values)[1]

    def mask(self) -> tf.Tensor:
        """Returns which steps exist, bool `[batch, longest]`."""
        return tf.sequence_mask(self.lengths, self.longest)

    def replaced(self, flat: tf.Tensor) -> Rectangle:
        """Returns these steps with other vectors, `[n, other width]`."""
        return Rectangle(self._square(flat), self.lengths)

    def spread(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns for vectors of rows `[batch, width]` the one of each step's row, `[n, width]`."""
        return tf.reshape(tf.repeat(rows[:, tf.newaxis, :], self.longest, axis=1), [-1, rows.shape[-1]])

    def softmax(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns weights float32 `[n]` for scores `[n]` or `[n, 1]`: they sum to 1 in each row, and padding has 0."""
        square = tf.reshape(tf.cast(scores, tf.float32), tf.shape(self.values)[:2])
        weights = tf.nn.softmax(tf.where(self.mask(), square, NOTHING), axis=1)
        return tf.reshape(tf.where(self.mask(), weights, 0.0), [-1])

    def sum(self, flat: tf.Tensor) -> tf.Tensor:
        """Returns the sum of vectors `[n, width]` over the steps of each row, `[batch, width]`, without the padding."""
        square = self._square(flat)
        return tf.reduce_sum(tf.where(self.mask()[:, :, tf.newaxis], square, tf.zeros([], square.dtype)), axis=1)

    def positions(self) -> tf.Tensor:
        """Returns the place of each step in its row, int32 `[n]`."""
        return tf.tile(tf.range(self.longest), [self.batch_size])

    def segments(self) -> Segments:
        """Returns the same steps without padding."""
        places = tf.cast(tf.where(tf.reshape(self.mask(), [-1]))[:, 0], tf.int32)
        return Segments(tf.gather(self.flat, places), places // tf.maximum(self.longest, 1), self.lengths)

    def rectangle(self) -> Rectangle:
        """Returns the steps with 0 in place of what stands behind a row's length."""
        values = tf.where(self.mask()[:, :, tf.newaxis], self.values, tf.zeros([], self.values.dtype))
        return Rectangle(values, self.lengths)

    def trimmed(self) -> Rectangle:
        """Returns the same steps with no more padding than the longest row needs, at least one step."""
        longest = tf.reduce_max(tf.concat([[1], self.lengths], axis=0))
        return Rectangle(self.values[:, :longest], self.lengths)

    def _square(self, flat: tf.Tensor) -> tf.Tensor:
        return tf.reshape(flat, tf.stack([self.batch_size, self.longest, flat.shape[-1]]))


def joined(parts: Sequence[Steps]) -> Steps:
    """Returns steps of equal lengths side by side: vectors of the width of all parts together."""
    first, *rest = alike(parts)
    return first.replaced(tf.concat([part.flat for part in (first, *rest)], axis=1)) if rest else first


def alike(parts: Sequence[Steps]) -> list[Steps]:
    """Returns steps of equal lengths in one layout: rectangles of one size if all are rectangles, else segments."""
    if len(parts) == 1:
        return list(parts)
    rectangles = [part for part in parts if isinstance(part, Rectangle)]
    if len(rectangles) < len(parts):
        return [part.segments() for part in parts]
    return [part.trimmed() for part in rectangles]
