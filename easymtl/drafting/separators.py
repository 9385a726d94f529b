"""Texts that hold several values, such as "a|b|c"."""

import re

import pyarrow as pa
import pyarrow.compute as pc

SEPARATORS = ("|", "\x01", "\x02", "\x1d", ";", ",", "#")
# As RE2, which Arrow has, reads it: currencies, by sign or code, and what is hung on numbers.
_SIGN = r"(?: ?(?:\p{Sc}|%|‰|°C?) ?|[A-Z]{3} | [A-Z]{3})"
_FEWEST_SHARE = 0.05
_LONGEST_ITEM = 60
_UNLIKELY_IN_WORDS = "|\x01\x02\x1d;"
# The largest number of different parts, as a share of all parts.
_REPEATED, _REPEATED_IN_WORDS = 0.7, 0.3


def text_separator(values: pa.Array) -> str | None:
    """Returns what separates the values in texts `[n]`, None where each text is one value.

    Texts are lists where their parts repeat in other combinations. `Sales, retail` and prose are no lists: blanks stand
    beside their commas.
    """
    if not pa.types.is_string(values.type):
        return None
    counted = pc.value_counts(values.drop_null())
    texts, total = counted.field("values"), len(values) - values.null_count
    for separator in SEPARATORS:
        holds = pc.match_substring(texts, separator)
        num_rows = pc.sum(pc.if_else(holds, counted.field("counts"), 0)).as_py() or 0
        if total and num_rows >= _FEWEST_SHARE * total and _are_lists(texts.filter(holds), texts, separator):
            return separator
    return None


def _are_lists(joined: pa.Array, texts: pa.Array, separator: str) -> bool:
    spaced = f"(?: {re.escape(separator)}|{re.escape(separator)} )"
    if pc.any(pc.match_substring_regex(joined, spaced)).as_py():
        return False
    items = pc.list_flatten(pc.split_pattern(texts, separator))
    # Of tags with weights, shoes:0.5, the tags repeat.
    distinct = pc.unique(pc.replace_substring_regex(items, r":[+-]?[0-9.]+$", ""))
    longest = pc.max(pc.utf8_length(distinct)).as_py() or 0
    if longest > _LONGEST_ITEM:
        return False
    share = _REPEATED if separator in _UNLIKELY_IN_WORDS else _REPEATED_IN_WORDS
    return len(distinct) < share * len(items) and len(joined) > 1


def is_printed_list(values: pa.Array | pa.ChunkedArray) -> bool:
    """Returns whether texts `[n]` are lists as Python prints them, `['a', 'b']`, which pandas writes to CSV."""
    texts = values.drop_null()
    if not pa.types.is_string(texts.type) or not len(texts):
        return False
    return bool(pc.all(pc.match_substring_regex(texts, r"(?s)^\[.*\]$")).as_py())


def has_comma(values: pa.Array | pa.ChunkedArray) -> bool:
    """Returns whether texts `[n]`, or lists `[n]` of their parts, are numbers of which some have a comma, `3,7`."""
    texts = values.drop_null()
    if pa.types.is_list(texts.type) and pa.types.is_string(texts.type.value_type):
        texts = pc.binary_join(texts, ",")
    if not pa.types.is_string(texts.type) or not len(texts):
        return False
    is_number = pc.all(pc.match_substring_regex(texts, r"^[+-]?[0-9]+(,[0-9]+)?$")).as_py()
    return bool(is_number and pc.any(pc.match_substring(texts, ",")).as_py())


def has_sign(values: pa.Array | pa.ChunkedArray) -> bool:
    """Returns whether texts `[n]` are numbers of which some have a sign of money, parts or degrees: `12.34€`, `7 %`."""
    texts = values.drop_null()
    if not pa.types.is_string(texts.type) or not len(texts):
        return False
    is_number = pc.all(pc.match_substring_regex(texts, rf"^{_SIGN}?[+-]?[0-9][0-9., ]*{_SIGN}?$")).as_py()
    return bool(is_number and pc.any(pc.match_substring_regex(texts, _SIGN)).as_py())


def split_texts(values: pa.Array, separator: str) -> pa.Array:
    """Returns the parts of texts `[n]` as lists; a missing text is a missing list, and empty parts stay."""
    return pc.split_pattern(values, separator)
