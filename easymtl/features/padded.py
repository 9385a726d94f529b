"""Inputs that hold several values for each row, `[rows, values]`, as the texts that the features read in training.

A text is padded with '', an int64 with -1, a float32 with NaN. What stands behind the last value of a row is no part of
it; padding before a value is an empty value, as one between two separators is.
"""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.config.multi_values import FLOAT, INT64, MultiValue
from easymtl.features.text import joined

_MOST_DIGITS = 9
"""As many tell every float32 from all others."""


def texts_of(columns: Mapping[str, tf.Tensor], inputs: Mapping[str, MultiValue]) -> dict[str, tf.Tensor]:
    """Returns all columns as `[rows]`: the values of each row with the separator of their features between them.

    Of the weights of tags, those at places without a tag are left out; a tag without a weight weighs 1.

    Args:
        columns: by field, `[rows]`, or `[rows, values]` those that `inputs` names.
        inputs: what such columns hold.
    """
    values = {name: _values(columns[name], one.kind) for name, one in inputs.items()}
    return {name: _joined(name, values, inputs[name]) if name in inputs else column for name, column in columns.items()}


def _values(column: tf.Tensor, kind: str) -> tf.Tensor:
    """Returns values as text, `[rows, values]`; '' is none."""
    if kind == INT64:
        return tf.where(tf.equal(column, -1), "", tf.strings.as_string(column))
    if kind == FLOAT:
        return tf.where(tf.math.is_nan(column), "", shortest_decimals(column))
    return column


def shortest_decimals(numbers: tf.Tensor) -> tf.Tensor:
    """Returns for each float32 the text with the fewest digits that is read as this number: 0.7, not 0.699999988."""
    text = tf.strings.as_string(numbers, precision=_MOST_DIGITS - 1, scientific=True)
    shorter = [tf.strings.as_string(numbers, precision=digits - 1, scientific=True) for digits in (8, 7)]
    # Of the shortest form, which has 6 digits, zeros at the end are left out.
    for one in [*shorter, tf.strings.as_string(numbers, shortest=True)]:
        text = tf.where(tf.equal(tf.strings.to_number(one, tf.float32), numbers), one, text)
    return text


def _joined(name: str, values: Mapping[str, tf.Tensor], one: MultiValue) -> tf.Tensor:
    own = values[name]
    shape = tf.shape(own, out_type=tf.int64)
    place = tf.range(1, shape[1] + 1)
    lengths = tf.reduce_max(tf.where(tf.equal(own, ""), tf.zeros_like(place), place), axis=1, keepdims=True)
    # Of no values at all, the largest place is that of an empty list.
    is_kept = tf.less_equal(place, tf.maximum(lengths, 0))
    if one.tags:
        own = tf.where(tf.equal(own, ""), "1", own)
        for tags in one.tags:
            if tags in values:
                # In a row without any tag a default may take their place.
                has_tag = tf.reduce_any(tf.not_equal(values[tags], ""), axis=1, keepdims=True)
                is_kept &= ~(_is_empty(values[tags], shape) & has_tag)
    own = _without_separators(name, own, one.separators) if one.kind not in (INT64, FLOAT) else own
    rows = tf.broadcast_to(tf.range(shape[0])[:, tf.newaxis], shape)
    return joined(own[is_kept], rows[is_kept], shape[0], one.separators[0])


def _is_empty(tags: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns which places of another list, of `shape`, hold no tag in this one; those behind its end are none."""
    flags = tf.equal(tags, "")[:, : shape[1]]
    behind = shape[1] - tf.shape(flags, out_type=tf.int64)[1]
    return tf.pad(flags, [[0, 0], [0, behind]])


def _without_separators(name: str, values: tf.Tensor, separators: str) -> tf.Tensor:
    """Returns values, of which none can be computed with if one holds a separator: it would be taken for several."""
    escaped = "".join(f"\\x{{{ord(character):x}}}" for character in separators)
    # \C is any byte, where `.` is none of those that are no UTF-8.
    is_bad = tf.strings.regex_full_match(values, f"\\C*[{escaped}]\\C*")

    def message() -> tf.Tensor:
        place = tf.where(is_bad)[0]
        return tf.strings.join(
            [
                f"input {name}: row ",
                tf.strings.as_string(place[0]),
                " (the first is 0) holds the value '",
                tf.gather_nd(values, place),
                f"', which holds one of {separators!r}, where features split it: send its parts one by one.",
            ]
        )

    checked = tf.cond(tf.reduce_any(is_bad), lambda: tf.debugging.Assert(False, [message()]), tf.no_op)
    with tf.control_dependencies([checked]):
        return tf.identity(values)
