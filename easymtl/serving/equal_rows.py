"""The first thing that a served graph does: see that the inputs of a request have the same number of rows.

Features are put together from several columns, so a column that is too short would hand its rows to others.
"""

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf

# Stands behind each shape in the list of all: a size is never below 0.
_END = -1
_NOTHING = -2


def require_equal_rows(
    columns: Mapping[str, tf.Tensor], lists: Collection[str] = (), num_rows: int | None = None, problem: str = ""
) -> dict[str, tf.Tensor]:
    """Returns the columns, which cannot be computed from unless all of them have the same number of rows.

    Other requests are answered with an InvalidArgumentError: `inputs have different numbers of rows: city 1, age 3.`
    It tells of all inputs that differ from most, and of one that does not; a shape of two axes is told as `3x1`.

    Args:
        columns: `[rows]` each.
        lists: those that are `[rows, values]`.
        num_rows: how many rows there have to be; None for any number.
        problem: the beginning of the sentence, where it is not the usual one.
    """
    if not problem:
        problem = "inputs have different numbers of rows"
        if num_rows is not None:
            problem = f"inputs do not have {num_rows} rows, for which this model was exported"
    axes = [2 if name in lists else 1 for name in columns]
    sizes = _ends_marked(_shapes(columns))
    # Of the values alone: how long the list is, optimizers take from the signature, which a request need not keep to.
    # If an end is behind each size, or each two of a list, there are as many ends as columns, and nothing behind them.
    is_end, places = _pattern(axes)
    found = tf.pad(sizes, [[0, len(is_end)]], constant_values=_NOTHING)[: len(is_end)]
    has_right_axes = tf.reduce_all(tf.equal(tf.equal(found, _END), is_end))
    rows = tf.gather(found, places)
    is_right = has_right_axes & tf.equal(tf.reduce_min(rows), tf.reduce_max(rows))
    if num_rows is not None:
        is_right &= tf.equal(rows[0], num_rows)
    checked = tf.cond(
        is_right, tf.no_op, lambda: tf.debugging.Assert(False, [_message(list(columns), lists, problem, sizes)])
    )
    with tf.control_dependencies([checked]):
        return dict(zip(columns, tf.identity_n(list(columns.values()))))


def _pattern(axes: Sequence[int]) -> tuple[list[bool], list[int]]:
    """Returns which of the sizes of all shapes are ends, and the places of the numbers of rows."""
    is_end = [place == number for number in axes for place in range(number + 1)]
    return is_end, [place for place in range(len(is_end)) if place == 0 or is_end[place - 1]]


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


def _message(names: list[str], lists: Collection[str], problem: str, sizes: tf.Tensor) -> tf.Tensor:
    """Returns the sentence, a scalar: the inputs whose shape is not that of most, and one that has it."""
    texts = tf.strings.reduce_join(tf.strings.as_string(sizes), separator=" ")
    found = tf.strings.strip(tf.strings.split(texts, str(_END))[: len(names)])
    found = tf.where(tf.equal(found, ""), "scalar", tf.strings.regex_replace(found, " ", "x"))
    if lists:
        # Of a list, the rows count and not how many values they have.
        is_list = tf.constant([name in lists for name in names])
        of_list = tf.strings.regex_replace(found, "^([0-9]+)$", "\\1 without a second axis")
        of_list = tf.strings.regex_replace(of_list, "^([0-9]+)x[0-9]+$", "\\1")
        found = tf.where(is_list, of_list, found)
    _, places, counts = tf.unique_with_counts(found)
    is_usual = tf.equal(places, tf.argmax(counts, output_type=tf.int32))
    told = tf.strings.join([names, found], separator=" ")
    told = tf.concat([tf.boolean_mask(told, ~is_usual), tf.boolean_mask(told, is_usual)[:1]], axis=0)
    of_lists = f", and of {', '.join(name for name in names if name in lists)} a list of values [rows, values]"
    return tf.strings.join(
        [
            f"{problem}: ",
            tf.strings.reduce_join(told, separator=", "),
            f". Each input holds one value for each row of the request{of_lists if lists else ''}.",
        ]
    )
