"""Lists of a file as one text for each row: the items with the separator of their feature between them.

That is what a request holds, as the exported graph takes text, so training reads what serving will. A null item is an
empty one. Tags and their weights are paired by position, and a feature skips empty tags: where a tag is empty or
null, its weight is left out with it, as a client has to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.casts import Cast, flags
from easymtl.data.text_form import TextForm


def is_list(found: pa.DataType) -> bool:
    """Returns whether a type is one of Arrow's five kinds of lists."""
    is_plain = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    return is_plain or pa.types.is_list_view(found) or pa.types.is_large_list_view(found)


def join_items(column: pa.Array, form: TextForm, to_texts: Callable[[pa.Array], Cast]) -> Cast:
    """Returns the joined items of each row `[n]`, null where there is none, and the rows that no text stands for.

    Args:
        column: `[n]` lists.
        form: the separators.
        to_texts: makes the texts of items.
    """
    rows = parents(column)
    values = pc.list_flatten(column)
    if is_list(values.type):
        items, bad = join_items(values, replace(form, separators=form.inner, inner=(), keeps_empty=False), to_texts)
    else:
        items, bad = to_texts(values)
    is_bad = np.zeros(len(items), bool)
    is_bad[bad] = True
    if form.tags and pa.types.is_floating(values.type):
        is_bad |= flags(pc.is_nan(values.cast(pa.float64())))
    for character in form.separators[0]:
        is_bad |= flags(pc.match_substring(items, character))
    filled = items.fill_null("1" if form.only_weighs else "")
    joined = _join(filled, np.bincount(rows, minlength=len(column)), form.separator)
    counts = np.ones(len(filled), bool) if form.keeps_empty else flags(pc.not_equal(filled, ""))
    is_empty = np.bincount(rows[counts], minlength=len(column)) == 0
    bad_rows = np.unique(rows[is_bad])
    is_empty[bad_rows] = True
    return pc.if_else(pa.array(is_empty), None, joined), bad_rows


def _join(items: pa.Array, lengths: np.ndarray, separator: str) -> pa.Array:
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return pc.binary_join(pa.LargeListArray.from_arrays(offsets, items), separator).cast(pa.string())


def parents(column: pa.Array) -> np.ndarray:
    """Returns the row of each item, `[m]`."""
    return pc.list_parent_indices(column).to_numpy().astype(np.int64)


def empty_places(tags: pa.Array, to_texts: Callable[[pa.Array], Cast]) -> tuple[np.ndarray, np.ndarray]:
    """Returns row and place of the tags that are empty or null, twice `[k]`."""
    rows = parents(tags)
    texts, _ = to_texts(pc.list_flatten(tags))
    is_empty = flags(pc.equal(texts.fill_null(""), ""))
    return rows[is_empty], _places(rows)[is_empty]


def _places(rows: np.ndarray) -> np.ndarray:
    """Returns the place of each item in its row, of rows that rise."""
    starts = np.searchsorted(rows, rows)
    return np.arange(len(rows)) - starts


def without_places(column: pa.Array, empty: Sequence[tuple[np.ndarray, np.ndarray]]) -> pa.Array:
    """Returns lists of weights without the places that are empty in the lists of tags."""
    rows = parents(column)
    width = int(np.bincount(rows, minlength=1).max()) + 1
    keys = rows * width + _places(rows)
    gone = np.concatenate([one_rows[places < width] * width + places[places < width] for one_rows, places in empty])
    keep = ~np.isin(keys, gone)
    items = pc.list_flatten(column).filter(pa.array(keep))
    lengths = np.bincount(rows[keep], minlength=len(column))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    return pa.LargeListArray.from_arrays(offsets, items)
