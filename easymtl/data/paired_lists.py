"""Lists of weights beside lists of tags: they are paired by position, also where a tag is empty or null.

A feature skips empty tags, in a text as in a request, so the weight of one goes with it: `["a", null, "b"]` with
`[1, 2, 3]` is read as `a|b` with `1|3`.
"""

from functools import partial

import numpy as np
import pyarrow as pa

from easymtl.data.casts import NONE
from easymtl.data.column_types import distinct_texts, kind_of, plain_type
from easymtl.data.fields import Field
from easymtl.data.lists import empty_places, is_list, without_places
from easymtl.data.text_form import UNREAD
from easymtl.errors import quoted


def pair_lists(batch: pa.RecordBatch, field: Field) -> tuple[pa.Array, np.ndarray]:
    """Returns the column of a field without the weights of empty tags, and rows in which they cannot be told.

    They cannot where the weights are a text, or have other readers, which would get other numbers.
    """
    column = batch.column(field.name)
    lists = [batch.column(name) for name in field.form.tags if name in batch.schema.names]
    empty = [_empty_places(tags) for tags in lists if is_list(tags.type) and _has_text(tags.type)]
    rows = np.unique(np.concatenate([NONE, *(rows for rows, _ in empty)]))
    if not len(rows):
        return column, NONE
    has_weights = ~column.is_null().to_numpy(zero_copy_only=False)
    if not is_list(column.type) or not field.form.only_weighs or len(field.form.tags) > 1:
        return column, rows[has_weights[rows]]
    return without_places(column, empty), NONE


def unpaired_problem(field: Field) -> str:
    """Returns what to say of a row whose weights cannot be told."""
    return (
        f'column "{field.name}" weighs the tags of {quoted(field.form.tags)}, of which one is empty or null, and is '
        "a text or has another reader, so that the weight of that tag cannot be left out with it. Write both as lists "
        "that nothing else reads, or no empty tags."
    )


def _has_text(found: pa.DataType) -> bool:
    kind = kind_of(plain_type(found.value_type))
    return kind is not None and kind.to_text is not None


def _empty_places(tags: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    # Whether a tag is empty does not depend on how numbers are written.
    return empty_places(tags, partial(distinct_texts, form=UNREAD))
