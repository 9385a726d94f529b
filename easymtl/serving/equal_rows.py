"""The first thing that a served graph does: see that the inputs of a request have the same number of rows.

Features are put together from several columns, so a column that is too short would hand its rows to others.
"""

from collections.abc import Mapping

import tensorflow as tf

# Stands behind each shape in the list of all: a size is never below 0.
_END = -1


def require_equal_rows(columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the columns, which cannot be computed from unless all of them are `[rows]` of one number of rows.

    Other requests are answered with an InvalidArgumentError: `inputs have different numbers of rows: city 1, age 3.`
    It tells of all inputs that differ from most, and of one that does not; a shape of two axes is told as `3x1`.
    """
    sizes = _ends_marked(_shapes(columns))
    rows, ends = sizes[::2], sizes[1::2]
    # Of the values alone: how long the list is, optimizers take from the signature, which a request need not keep to.
    # There are as many ends as columns, so if an end is behind each size, each column has one axis.
    has_one_axis = tf.reduce_all(tf.equal(ends, _END)) & tf.greater_equal(tf.reduce_min(rows), 0)
    is_right = has_one_axis & tf.equal(tf.reduce_min(rows), tf.reduce_max(rows))
    checked = tf.cond(is_right, tf.no_op, lambda: tf.debugging.Assert(False, [_message(list(columns), sizes)]))
    with tf.control_dependencies([checked]):
        return dict(zip(columns, tf.identity_n(list(columns.values()))))


def _shapes(columns: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
    """Returns the shape of each column, by one operation for each type."""
    by_type: dict[tf.DType, list[str]] = {}
    for name, column in columns.items():
        by_type.setdefault(column.dtype, []).append(name)
    shapes: dict[str, tf.Tensor] = {}
    for names in by_type.values():
        shapes |= dict(zip(names, tf.shape_n([columns[name] for name in names])))
    return [shapes[name] for name in columns]


def _ends_marked(shapes: list[tf.Tensor]) -> tf.Tensor:
    """Returns all shapes as one int32 list, `_END` behind each: `[rows, -1, rows, -1, ...]` as it should be."""
    marked = tf.concat([part for shape in shapes for part in (shape, [_END])], axis=0)
    # That each input has one axis is what the signature says and not what a request must hold. Behind this operation
    # nothing is known of the values, so that no optimizer can take a comparison for granted.
    return tf.raw_ops.PlaceholderWithDefault(input=marked, shape=[None])


def _message(names: list[str], sizes: tf.Tensor) -> tf.Tensor:
    """Returns the sentence, a scalar: the inputs whose shape is not that of most, and one that has it."""
    texts = tf.strings.reduce_join(tf.strings.as_string(sizes), separator=" ")
    found = tf.strings.strip(tf.strings.split(texts, str(_END))[: len(names)])
    found = tf.where(tf.equal(found, ""), "scalar", tf.strings.regex_replace(found, " ", "x"))
    _, places, counts = tf.unique_with_counts(found)
    is_usual = tf.equal(places, tf.argmax(counts, output_type=tf.int32))
    told = tf.strings.join([names, found], separator=" ")
    told = tf.concat([tf.boolean_mask(told, ~is_usual), tf.boolean_mask(told, is_usual)[:1]], axis=0)
    return tf.strings.join(
        [
            "inputs have different numbers of rows: ",
            tf.strings.reduce_join(told, separator=", "),
            ". Each input holds one value for each row of the request.",
        ]
    )
