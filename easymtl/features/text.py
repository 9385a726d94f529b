"""Text operations of the transforms: numbers as text, text as numbers, splitting at separators."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

_DIGITS = 6
"""What `tf.strings.as_string` writes behind the point where no precision is said."""


class Items(NamedTuple):
    """A column of lists, each of at least one item: what splitting its texts at a separator would give.

    Attributes:
        distinct: `[d]` string, without separators.
        places: `[m]` int32, for each item its place in `distinct`, row after row.
        lengths: `[n]` int64, items of each row; a row whose text is '' has one item, ''.
    """

    distinct: tf.Tensor
    places: tf.Tensor
    lengths: tf.Tensor


class Pieces(NamedTuple):
    """Texts, of which some are held once.

    Attributes:
        distinct: `[d]` string.
        places: `[m]`, for each text its place in `distinct`; None where `distinct` are the texts.
    """

    distinct: tf.Tensor
    places: tf.Tensor | None = None

    def each(self, function: Callable[[tf.Tensor], Any]) -> Any:
        """Returns what a function makes of texts, tensors `[m, ...]`; it runs once for each that is held."""
        found = function(self.distinct)
        return found if self.places is None else tf.nest.map_structure(self._take, found)

    def texts(self) -> tf.Tensor:
        """Returns the texts, `[m]`."""
        return self.distinct if self.places is None else self._take(self.distinct)

    def kept(self, mask: tf.Tensor) -> "Pieces":
        """Returns the texts at which a mask `[m]` is true."""
        return Pieces(self.distinct[mask]) if self.places is None else Pieces(self.distinct, self.places[mask])

    def _take(self, found: tf.Tensor) -> tf.Tensor:
        return tf.gather(found, self.places)


class Split(NamedTuple):
    """Pieces of split texts.

    Attributes:
        pieces: `[m]`, row after row.
        rows: `[m]` int64, the text that each piece comes from.
        positions: `[m]` int64, the place of the piece in its text.
        lengths: `[n]` int64, pieces per text.
    """

    pieces: Pieces
    rows: tf.Tensor
    positions: tf.Tensor
    lengths: tf.Tensor

    def kept(self, mask: tf.Tensor) -> "Split":
        """Returns the pieces at which a mask `[m]` is true, at the positions that they have."""
        ends, num_kept = tf.cumsum(self.lengths), tf.cumsum(tf.pad(tf.cast(mask, tf.int64), [[1, 0]]))
        lengths = tf.gather(num_kept, ends) - tf.gather(num_kept, ends - self.lengths)
        return Split(self.pieces.kept(mask), self.rows[mask], self.positions[mask], lengths)


def as_text(column: tf.Tensor | Items, precision: int) -> Any:
    """Returns a column as text: integers in decimal, floats with `precision` digits behind the point, NaN as ''.

    Items are texts. An infinite number fails the op, as a text that is no number does where one is read: it is no id.
    """
    if isinstance(column, Items):
        return column
    if column.dtype == tf.string:
        return column
    if not column.dtype.is_floating:
        return tf.strings.as_string(column)
    text = tf.strings.as_string(column, precision=precision)
    # What is rounded to zero has kept its sign, and is the same number.
    zero = f"{0:.{_DIGITS if precision < 0 else precision}f}"
    text = tf.where(tf.equal(text, f"-{zero}"), zero, text)
    # Joined and not a control dependency, which an optimized graph may drop.
    refused = tf.strings.to_number(tf.where(tf.math.is_inf(column), tf.strings.join(["id ", text]), "0"))
    return tf.where(tf.math.is_nan(column) | tf.not_equal(refused, 0), "", text)


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


def split(text: tf.Tensor | Items, separators: str, keep_empty: bool = False) -> Split:
    """Splits texts `[n]` at any of the (one-byte) separators."""
    if isinstance(text, Items):
        parts = _split_items(text)
        return parts if keep_empty else _without_empty(parts)
    parts = tf.raw_ops.StringSplit(input=text, delimiter=separators, skip_empty=not keep_empty)
    return _split(parts, text)


def split_whole(text: tf.Tensor | Items, separators: str) -> Split:
    """Splits texts `[n]` at each of the (one-byte) separators: n separators make n + 1 pieces, '' is one piece."""
    if isinstance(text, Items):
        return _split_items(text)
    first = separators[0]
    if len(separators) > 1:
        text = tf.strings.regex_replace(text, f"[{re.escape(separators)}]", first)
    return _split(tf.raw_ops.StringSplitV2(input=text, sep=first), text)


def split_each(pieces: Pieces, splitter: Callable[[tf.Tensor], Split]) -> Split:
    """Splits texts `[n]` by a function of those that are held."""
    parts = splitter(pieces.distinct)
    if pieces.places is None:
        return parts
    lengths = tf.gather(parts.lengths, pieces.places)
    starts = tf.gather(tf.cumsum(parts.lengths, exclusive=True), pieces.places)
    rows, positions = rows_and_places(lengths)
    return Split(Pieces(parts.pieces.distinct, tf.gather(starts, rows) + positions), rows, positions, lengths)


def _split(parts: Any, text: tf.Tensor) -> Split:
    rows, positions = parts.indices[:, 0], parts.indices[:, 1]
    num_texts = tf.shape(text, out_type=tf.int64)[0]
    return Split(Pieces(parts.values), rows, positions, counts_by_row(tf.ones_like(rows), rows, num_texts))


def _split_items(items: Items) -> Split:
    return Split(Pieces(items.distinct, items.places), *rows_and_places(items.lengths), items.lengths)


def _without_empty(parts: Split) -> Split:
    """Returns the pieces that are not empty, at the positions that they have without the others."""
    is_some = parts.pieces.each(lambda texts: tf.not_equal(texts, ""))

    def kept() -> tuple[tf.Tensor, tf.Tensor]:
        some = parts.kept(is_some)
        return some.pieces.places, some.lengths

    # Mostly there are none, and to find the places of the others takes longer than all the rest.
    places, lengths = tf.cond(tf.reduce_all(is_some), lambda: (parts.pieces.places, parts.lengths), kept)
    return _split_items(Items(parts.pieces.distinct, places, lengths))


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
    starts, num_entries = tf.cumsum(lengths, exclusive=True), tf.reduce_sum(lengths)
    # Rows that start at an entry or, being empty, just before it; a row at the end may start behind the last one.
    num_starts = tf.math.unsorted_segment_sum(tf.ones_like(starts), starts, num_entries + 1)
    rows = tf.cumsum(num_starts[:-1]) - 1
    return rows, tf.range(num_entries) - tf.gather(starts, rows)
