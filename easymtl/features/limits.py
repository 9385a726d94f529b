"""How much a few bytes of a row may become: combinations of its values, and places of rows padded to the longest."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError

MOST_COMBINATIONS = 100_000
"""Of a row."""
MOST_COMBINATIONS_AT_ONCE = 100_000_000
"""Of the rows of a batch."""
MOST_PLACES = 1 << 25
"""Of one tensor of a packed request: rows times values of the longest one."""


def require_few_combinations(feature: str, lengths: Sequence[tf.Tensor]) -> list[tf.Operation]:
    """Returns what makes a graph refuse rows with more combinations than memory is to be asked for.

    Args:
        feature: its name.
        lengths: int64 `[n]` of each input, the number of its values.
    """
    # As decimals: whole numbers would come round to small ones.
    products = tf.reduce_prod(tf.cast(tf.stack(lengths), tf.float64), axis=0)
    is_right = tf.reduce_all(products <= MOST_COMBINATIONS) & (tf.reduce_sum(products) <= MOST_COMBINATIONS_AT_ONCE)
    message = (
        f"the values of a row have more than {MOST_COMBINATIONS:,} combinations in {feature}, or those of all rows "
        f"more than {MOST_COMBINATIONS_AT_ONCE:,}: send fewer values."
    )
    return _assertions(is_right, message)


def require_few_places(num_rows: tf.Tensor, sizes: Sequence[tf.Tensor], num_features: int = 1) -> list[tf.Operation]:
    """Returns what makes a graph refuse a request whose padded rows would fill the memory.

    Args:
        num_rows: int64 scalar, those of all features.
        sizes: int64 scalars, of the axes behind the rows.
        num_features: whose rows are padded together.
    """
    total = tf.reduce_prod(tf.cast(tf.stack([num_rows, *sizes]), tf.float64))
    message = (
        f"the rows of the request, all as long as the longest list in them, have more than {MOST_PLACES:,} values: "
        "send fewer rows at once, or shorter lists (max_seq_len of the feature cuts histories)."
    )
    return _assertions(total <= MOST_PLACES * num_features, message)


def _assertions(is_right: tf.Tensor, message: str) -> list[tf.Operation]:
    if tf.executing_eagerly():
        tf.debugging.Assert(is_right, [message])
        return []
    return [tf.debugging.Assert(is_right, [message])]


def require_few_combinations_of_rows(
    feature: str, fields: Sequence[str], lengths: Sequence[np.ndarray], text_of: Callable[[int], str]
) -> None:
    """Checks the same of encoded rows, which have a place in their file.

    Args:
        feature: its name.
        fields: its inputs.
        lengths: int64 `[n]` of each input that is split, the number of its values.
        text_of: returns the text of the first input in a row.

    Raises:
        BadValues: a row has too many; it can be left out.
        UserError: all rows together have.
    """
    products = np.prod([one.astype(np.float64) for one in lengths], axis=0)
    rows = products > MOST_COMBINATIONS
    if rows.any():
        row = int(np.argmax(rows))
        problem = (
            f'the values of {", ".join(fields)} in this row have {products[row]:,.0f} combinations in "{feature}"; '
            f"{MOST_COMBINATIONS:,} are possible."
        )
        raise BadValues(fields[0], text_of(row), (), problem, rows)
    if products.sum() > MOST_COMBINATIONS_AT_ONCE:
        raise UserError(
            f'"{feature}" would make {products.sum():,.0f} combinations of {len(products):,} rows, more than '
            f"{MOST_COMBINATIONS_AT_ONCE:,}. Leave values out that say little, or combine fewer fields."
        )
