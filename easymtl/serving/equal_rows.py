"""The first thing that a served graph does: see that the inputs of a request have the same number of rows.

Features are put together from several columns, so a column that is too short would hand its rows to others.
"""

from collections.abc import Collection, Mapping

import tensorflow as tf

from easymtl.serving.sizes import require_sizes

_ROWS = "rows"


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
    rows: str | int = _ROWS if num_rows is None else num_rows
    # Each list has as many values as it likes.
    axes = {name: [rows, f"values of {name}"] if name in lists else [rows] for name in columns}
    return require_sizes(columns, axes, lambda shapes: _message(list(columns), lists, problem, shapes))


def _message(names: list[str], lists: Collection[str], problem: str, shapes: tf.Tensor) -> tf.Tensor:
    """Returns the sentence, a scalar: the inputs whose shape is not that of most, and one that has it."""
    found = tf.where(tf.equal(shapes, ""), "scalar", tf.strings.regex_replace(shapes, " ", "x"))
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
