"""Text operations of the transforms: numbers as text, text as numbers, splitting at separators."""

import re
from typing import NamedTuple

import tensorflow as tf


class Split(NamedTuple):
    """Pieces of split texts.

    Attributes:
        pieces: `[m]` string, row after row.
        rows: `[m]` int64, the text that each piece comes from.
        positions: `[m]` int64, the place of the piece in its text.
        lengths: `[n]` int64, pieces per text.
    """

    pieces: tf.Tensor
    rows: tf.Tensor
    positions: tf.Tensor
    lengths: tf.Tensor


def as_text(column: tf.Tensor, precision: int) -> tf.Tensor:
    """Returns a column as text: integers in decimal, floats with `precision` digits behind the point, NaN as ''."""
    if column.dtype == tf.string:
        return column
    if not column.dtype.is_floating:
        return tf.strings.as_string(column)
    return tf.where(tf.math.is_nan(column), "", tf.strings.as_string(column, precision=precision))


def as_numbers(text: tf.Tensor, dtype: tf.DType, empty: str = "0") -> tf.Tensor:
    """Returns texts as numbers; an empty text is `empty`. A text that is no number fails the op.

    Decimals are float64, which narrows to float32 only behind whatever is computed of them: a time in milliseconds has
    13 digits, of which float32 keeps 7.
    """
    return tf.strings.to_number(tf.where(tf.equal(text, ""), tf.constant(empty), text), dtype)


def as_weights(column: tf.Tensor) -> tf.Tensor:
    """Returns weights of tags as float32, of a text or numbers; an empty text is 1.

    A weight that is not finite fails the op, as a text that is no number does: it would make the whole vector NaN.
    """
    is_text = column.dtype == tf.string
    numbers = tf.cast(as_numbers(column, tf.float64, "1") if is_text else column, tf.float32)
    shown = column if is_text else tf.strings.as_string(column)
    wrong = tf.strings.join(["weight ", shown])
    # Added and not a control dependency, which an optimized graph may drop.
    return numbers + tf.strings.to_number(tf.where(tf.math.is_finite(numbers), "0", wrong))


def split(text: tf.Tensor, separators: str, keep_empty: bool = False) -> Split:
    """Splits texts `[n]` at any of the (one-byte) separators."""
    parts = tf.raw_ops.StringSplit(input=text, delimiter=separators, skip_empty=not keep_empty)
    rows, positions = parts.indices[:, 0], parts.indices[:, 1]
    num_texts = tf.shape(text, out_type=tf.int64)[0]
    return Split(parts.values, rows, positions, counts_by_row(tf.ones_like(rows), rows, num_texts))


def split_whole(text: tf.Tensor, separators: str) -> Split:
    """Splits texts `[n]` at each of the (one-byte) separators: n separators make n + 1 pieces, '' is one piece."""
    first = separators[0]
    if len(separators) > 1:
        text = tf.strings.regex_replace(text, f"[{re.escape(separators)}]", first)
    parts = tf.raw_ops.StringSplitV2(input=text, sep=first)
    rows, positions = parts.indices[:, 0], parts.indices[:, 1]
    num_texts = tf.shape(text, out_type=tf.int64)[0]
    return Split(parts.values, rows, positions, counts_by_row(tf.ones_like(rows), rows, num_texts))


def joined(pieces: tf.Tensor, rows: tf.Tensor, num_rows: tf.Tensor, separator: str) -> tf.Tensor:
    """Returns the pieces `[m]` of each row with a separator between them, `[num_rows]`; '' where there are none."""
    # The kernel leaves out a separator behind an empty text: each piece brings its own, and the first is taken away.
    texts = tf.strings.unsorted_segment_join(tf.strings.join([separator, pieces]), rows, num_rows)
    return tf.strings.regex_replace(texts, r"\A\C", "", replace_global=False)


def counts_by_row(values: tf.Tensor, rows: tf.Tensor, num_rows: tf.Tensor) -> tf.Tensor:
    """Returns the sum of `values` `[m]` in each row, `[num_rows]`."""
    return tf.math.unsorted_segment_sum(values, rows, num_rows)


def rows_and_places(lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the row, and the place within it, of every entry of rows of `lengths` `[n]`: twice `[m]` int64."""
    ends = tf.cumsum(lengths)
    entries = tf.range(tf.reduce_sum(lengths))
    rows = tf.searchsorted(ends, entries, side="right", out_type=tf.int64)
    return rows, entries - tf.gather(ends - lengths, rows)
