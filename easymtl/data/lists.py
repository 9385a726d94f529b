"""Lists of a file: as items of which each is held once, or as one text for each row, with a separator between them.

The text is what a request holds, as the exported graph takes text; an encoder of features reads the items, and makes of
them what it would of the text. So training reads what serving will. A null item is an empty one. Tags and their weights
are paired by position, and a feature skips empty tags: where a tag is empty or null, its weight is left out with it, as
a client has to do.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.data.casts import NONE, Cast, flags
from easymtl.data.fields import LISTS
from easymtl.data.text_form import TextForm

Distinct = Callable[[pa.Array], tuple[pa.DictionaryArray, np.ndarray]]


def is_list(found: pa.DataType) -> bool:
    """Returns whether a type is one of Arrow's five kinds of lists."""
    is_plain = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
    return is_plain or pa.types.is_list_view(found) or pa.types.is_large_list_view(found)


def encode_items(column: pa.Array, form: TextForm, to_distinct: Distinct) -> Cast:
    """Returns the items of each row, `[n]` of type `LISTS`, and the rows that no text stands for.

    It is null for those, and for rows that have no item that counts. Items are not null.

    Args:
        column: `[n]` lists.
        form: the separators.
        to_distinct: makes the texts of items, and tells which have none, see `column_types.distinct_texts`.
    """
    lengths = pc.list_value_length(column).cast(pa.int64()).fill_null(0).to_numpy()
    values = pc.list_flatten(column)
    if is_list(values.type):
        of_steps = replace(form, separators=form.inner, inner=(), keeps_empty=False)
        steps, bad = join_items(values, of_steps, to_distinct)
        is_bad = np.zeros(len(steps), bool)
        is_bad[bad] = True
        texts = steps.dictionary_encode()
    else:
        texts, is_bad = to_distinct(values)
    items, indices = _filled(texts, "1" if form.only_weighs else "")
    for character in form.separators[0]:
        has_separator = flags(pc.match_substring(items, character))
        is_bad = is_bad | has_separator[indices] if has_separator.any() else is_bad
    bad_rows = np.unique(_rows(lengths)[is_bad]) if is_bad.any() else NONE
    is_none = lengths == 0
    is_empty = flags(pc.equal(items, ""))
    if is_empty.any() and not form.keeps_empty:
        is_none = np.bincount(_rows(lengths)[~is_empty[indices]], minlength=len(lengths)) == 0
    is_none[bad_rows] = True
    return _lists(lengths, items, indices, is_none), bad_rows


def _filled(texts: pa.DictionaryArray, missing: str) -> tuple[pa.Array, np.ndarray]:
    """Returns dictionary and indices `[m]` of texts, a text in the place of null."""
    items, indices = texts.dictionary.fill_null(missing), texts.indices
    if indices.null_count:
        indices = indices.fill_null(len(items))
        items = pa.concat_arrays([items, pa.array([missing], items.type)])
    return items, indices.to_numpy()


def _lists(lengths: np.ndarray, items: pa.Array, indices: np.ndarray, is_none: np.ndarray) -> pa.Array:
    """Returns lists of these lengths, of which some are null."""
    if is_none.any():
        # What is null holds no items either.
        indices = indices[~np.repeat(is_none, lengths)]
        lengths = np.where(is_none, 0, lengths)
    values = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), items)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return pa.LargeListArray.from_arrays(offsets, values, LISTS, mask=pa.array(is_none))


def join_items(column: pa.Array, form: TextForm, to_distinct: Distinct) -> Cast:
    """Returns the same as texts `[n]`, the items with the separator between them."""
    lists, bad_rows = encode_items(column, form, to_distinct)
    return texts_of_lists(lists, form.separator), bad_rows


def texts_of_lists(lists: pa.Array, separator: str) -> pa.Array:
    """Returns the texts `[n]` that lists of type `LISTS` are read as."""
    items = lists.values.dictionary.take(lists.values.indices)
    offsets = lists.offsets
    joined = pc.binary_join(pa.LargeListArray.from_arrays(offsets, items), separator).cast(pa.string())
    return pc.if_else(lists.is_null(), None, joined)


def _rows(lengths: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(lengths)), lengths)


def parents(column: pa.Array) -> np.ndarray:
    """Returns the row of each item, `[m]`."""
    return pc.list_parent_indices(column).to_numpy().astype(np.int64)


def empty_places(tags: pa.Array, to_distinct: Distinct) -> tuple[np.ndarray, np.ndarray]:
    """Returns row and place of the tags that are empty or null, twice `[k]`."""
    texts, _ = to_distinct(pc.list_flatten(tags))
    items, indices = _filled(texts, "")
    is_empty = flags(pc.equal(items, ""))
    if not is_empty.any():
        return NONE, NONE
    rows, is_empty = parents(tags), is_empty[indices]
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
