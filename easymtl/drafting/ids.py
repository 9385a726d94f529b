"""Ids: a vocabulary while they are few, a hash table with room beyond, and a table that grows for very many."""

import math

import numpy as np
import pyarrow as pa

from easymtl.drafting import names
from easymtl.drafting.column_profile import ColumnProfile, numbers_of
from easymtl.drafting.drafted import Drafted, feature_of, field_of
from easymtl.drafting.kinds import Kind
from easymtl.drafting.labels import shown_share
from easymtl.protos.feature_pb2 import FeatureConfig

_MOST_WORDS, _MOST_LETTERS = 16, 160
_OTHERS = ("other", "unknown", "<other>")
_LARGE = 100_000
_FEWEST_COUNTS = 3.0
_SMALL, _MANY_ZEROS = 120, 0.2
_EVEN = (0.35, 0.65)
GROWS = ", each with a row of its own, and room for as many new ones"


def is_id(column: ColumnProfile, sample: pa.ChunkedArray) -> tuple[bool, bool]:
    """Returns whether a column holds ids rather than numbers, and whether that is a guess.

    Texts of Parquet are ids. Whole numbers are told by their name; without one that tells, by how often neighbours
    occur: 30 and 31 years are about as frequent, shops 30 and 31 need not be.
    """
    if column.told:
        return column.told == "ids", False
    if column.kind is Kind.DECIMAL or (column.kind is Kind.TEXT and column.is_number and not column.is_whole):
        return False, False
    if not column.is_number or (column.kind is Kind.TEXT and not column.is_spelled):
        return True, False
    if names.is_id(column.name) or names.is_user(column.name):
        return True, False
    if column.low is not None and (column.low < 0 or names.is_number(column.name)):
        return False, False
    if names.is_noun(column.name) and column.num_distinct > 20:
        return True, False
    is_small = column.num_distinct <= 50 or (column.high or 0) <= _SMALL
    if is_small or column.num_zeros > _MANY_ZEROS * column.num_values:
        return False, False
    return not _are_amounts(column, sample), True


def _are_amounts(column: ColumnProfile, sample: pa.ChunkedArray) -> bool:
    """Returns whether there are more different small numbers than large ones, or frequent numbers beside frequent ones.

    Ids are spread evenly over their range, and how often one occurs says nothing of the next.
    """
    values, counts = numbers_of(column, sample)
    low, middle, high = (np.quantile(values, [0.25, 0.5, 0.75]) - values[0]) / max(values[-1] - values[0], 1)
    if not _EVEN[0] < middle < _EVEN[1] or high - low < _EVEN[0]:
        return True
    logs = np.log(counts)
    if counts.mean() < _FEWEST_COUNTS or np.ptp(logs) == 0:
        return False
    return float(np.corrcoef(logs[:-1], logs[1:])[0, 1]) > 0.3


def draft_id(column: ColumnProfile, width: int) -> Drafted:
    """Returns the draft of a column of ids, of which each row has one."""
    feature = feature_of(column.name, "IdFeature")
    is_number = column.kind is Kind.WHOLE and column.num_values > 0 and (column.high or 0) < 1 << 62
    kind = "STRING"
    if is_number and not column.num_missing:
        kind = "INT32" if (column.high or 0) < 1 << 31 and (column.low or 0) >= -(1 << 31) else "INT64"
    how = set_table(feature, column, width, is_number and not column.num_missing)
    missing = f", {shown_share(column.missing_rate)} missing" if column.num_missing else ""
    draft = Drafted(field_of(column.name, kind), [feature], f"{how}{missing}", column.num_distinct)
    if column.num_missing and is_number:
        draft.reason += ": read as texts, as a missing number would be the id 0"
    return draft


def set_table(feature: FeatureConfig, column: ColumnProfile, width: int, has_numbers: bool = False) -> str:
    """Sets how rows of the table are found, and their width; returns why so.

    Args:
        feature: what gets the table.
        column: whose values, or items, have rows.
        width: of a small table; larger ones are wider.
        has_numbers: whether the field holds whole numbers.
    """
    count = column.num_distinct
    feature.embedding_dim = table_width(count, width)
    high = int(column.high or 0)
    if has_numbers and (column.low or 0) >= 0 and high < max(64, 1.5 * count) and high < _LARGE:
        feature.num_buckets = high + 1
        return f"whole numbers to {high:,}"
    words = vocabulary(column)
    if words:
        feature.vocab_list.extend(words)
        return f"{count} values; the first word takes unknown ones"
    set_rows(feature, count)
    about = "" if column.tally.is_exact else "about "
    return f"{about}{count:,} values{GROWS if feature.HasField('growing') else ''}"


def set_rows(feature: FeatureConfig, count: int) -> None:
    """Gives a feature a table for `count` values and new ones: hashed, or one that grows where many would meet.

    A hash table with few of many values in one row is mostly empty; one that grows has a row for each.
    """
    feature.ClearField("hash_bucket_size")
    feature.ClearField("growing")
    if count > _LARGE:
        feature.growing.max_rows = num_buckets(count)
    else:
        feature.hash_bucket_size = num_buckets(count)


def table_width(count: int, width: int) -> int:
    """Returns how wide vectors are: those of up to 100 values `width`, of more twice as wide."""
    return width if count <= 100 else 2 * width


def num_buckets(count: int) -> int:
    """Returns a size at which few values share a row: with twice as many rows a fifth finds its row taken, at most."""
    room = 20 if count <= 1000 else (4 if count <= _LARGE else 2)
    wanted = max(room * count, 100)
    digit = 10 ** math.floor(math.log10(wanted))
    return math.ceil(wanted / digit) * digit


def vocabulary(column: ColumnProfile) -> list[str]:
    """Returns the words of a column with few texts; none where a list of them would be long.

    The first word stands for all that are not listed. Where no value means that, one is made up.
    """
    values, _ = column.tally.counted()
    if not len(values) or len(values) > _MOST_WORDS or not pa.types.is_string(values.type):
        return []
    words = values.to_pylist()
    is_plain = all(word == word.strip() and word.isprintable() for word in words)
    if not is_plain or sum(map(len, words)) > _MOST_LETTERS:
        return []
    first = next((word for word in words if word.lower() in _OTHERS), None)
    if first is None:
        first = next((word for word in reversed(_OTHERS) if word not in words), "")
    return [first, *(word for word in words if word != first)]
