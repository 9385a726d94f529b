"""Lists, and texts that hold several values: tags, vectors of numbers, and histories with what they are about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from easymtl.drafting import names
from easymtl.drafting.column_profile import ColumnProfile, numbers_of
from easymtl.drafting.drafted import Drafted, feature_of, field_of
from easymtl.drafting.ids import is_id, set_rows, set_table, table_width
from easymtl.drafting.kinds import Kind
from easymtl.drafting.labels import shown_share
from easymtl.drafting.numbers import boundaries
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import rows_per
from easymtl.drafting.separators import SEPARATORS
from easymtl.protos.feature_pb2 import FeatureConfig

_OVERLAP, _OVERLAP_OF_NAMESAKES = 0.5, 0.2
_MANY = 1000
_UNLIKE_NUMBERS = ("timestamp", "date", "time", "bool")
_FEWEST_ROWS_OF_KEY = 5
_MOST_STEPS = 50


@dataclass
class Block:
    """Histories that belong step by step, and the features of the row that they are about.

    Attributes:
        name: of the block.
        histories: columns of the histories.
        keys: columns of what they are about.
    """

    name: str
    histories: list[str]
    keys: list[str] = field(default_factory=list)


def find_blocks(
    profile: Profile, lists: Sequence[str], ids: Sequence[str], rare: Sequence[str], left_out: dict[str, str]
) -> tuple[list[Block], dict[str, str]]:
    """Returns the histories that attention reads, and the id column whose values each history holds.

    A history of rare ids beside one of frequent ones, items beside their categories, is left out: few candidates have
    an id that was learnt, and attention to the others would be attention to noise.

    Args:
        profile: of the data.
        lists: columns of lists that something may read.
        ids: columns of ids, of which each row has one.
        rare: columns of ids that were left out, as they have few rows each.
        left_out: gets the columns that are left out, and why.
    """
    # Tags of the row, too, may be what the tags of earlier steps are compared with.
    tags = [
        name for name in lists if not names.is_history(name) and _has_ids(profile.columns[name], profile.sample[name])
    ]
    about = {}
    for name in lists:
        keys = [*ids, *rare, *tags] if names.is_history(name) else [*ids, *rare]
        if key := _key(profile, name, keys):
            about[name] = key
    about, reasons = _without_rare(profile, about)
    left_out.update(reasons)
    about = {name: key for name, key in about.items() if key not in rare}
    groups: dict[str, list[str]] = {}
    for name in lists:
        if name in reasons:
            continue
        groups.setdefault(profile.lengths.get(name, name), []).append(name)
    blocks = []
    for members in groups.values():
        keyed = [name for name in members if name in about]
        if keyed and (len(members) > 1 or names.is_history(members[0]) or profile.columns[members[0]].longest > 5):
            keys = list(dict.fromkeys(about[name] for name in keyed))
            # Attention compares the numbers of keys and steps place by place: they stand in one order.
            first = [name for key in keys for name in keyed if about[name] == key][: len(keys)]
            blocks.append(Block(_block_name(members), [*first, *(one for one in members if one not in first)], keys))
    in_blocks = {name for block in blocks for name in block.histories}
    return blocks, {name: key for name, key in about.items() if name in in_blocks}


def _without_rare(profile: Profile, about: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns histories with what they are about, and why others are left out."""
    rare = {name for name, key in about.items() if rows_per(profile.columns[key]) < _FEWEST_ROWS_OF_KEY}
    frequent = {profile.lengths.get(name) for name in about.keys() - rare}
    reasons = {
        name: f'of "{about[name]}", whose values have {rows_per(profile.columns[about[name]]):.1f} rows each: too few '
        "to compare steps with; other columns tell of the same steps"
        for name in about
        if name in rare and profile.lengths.get(name) in frequent
    }
    return {name: key for name, key in about.items() if name not in reasons}, reasons


def _block_name(members: Sequence[str]) -> str:
    first = members[0].split("_")[0]
    return first if len(members) > 1 and all(name.startswith(first) for name in members) else f"{members[0]}_block"


def _key(profile: Profile, name: str, ids: Sequence[str]) -> str:
    """Returns the id column whose values the items of lists are, or an empty text."""
    column = profile.columns[name]
    if column.kind is Kind.LISTS or (column.is_number and not column.is_whole):
        return ""
    items = _distinct(profile, name)
    best, score = "", 0.0
    for other in ids:
        values = _distinct(profile, other)
        common = len(items & values)
        is_namesake = bool(names.shared_words(name, other))
        # Small numbers are in every column: 1, 2 and 3 say nothing without a name.
        if not common or (len(values) < _MANY and not is_namesake):
            continue
        union = common / len(items | values)
        inside = common / min(len(items), len(values))
        is_enough = union >= _OVERLAP or (is_namesake and inside >= _OVERLAP_OF_NAMESAKES)
        total = union + inside / 2 + is_namesake / 2
        if is_enough and total > score:
            best, score = other, total
    return best


def _distinct(profile: Profile, name: str) -> set[str]:
    """Returns the different values of a column as texts, or items of its lists; of the sample where there are many."""
    column = profile.columns[name]
    values, _ = column.tally.counted()
    if not len(values):
        sample = profile.sample[name].combine_chunks()
        values = pc.unique(pc.list_flatten(sample) if pa.types.is_list(sample.type) else sample).drop_null()
        if column.inner and pa.types.is_string(values.type):
            values = pc.unique(pc.list_flatten(pc.split_pattern(values, column.inner)))
    return set(values.cast(pa.string()).to_pylist())


def draft_list(column: ColumnProfile, profile: Profile, width: int, block: Block | None, about: str) -> Drafted | None:
    """Returns the draft of a column of lists, None where nothing reads such lists.

    Args:
        column: what is known of it.
        profile: of the data.
        width: of small tables.
        block: the block that reads it as a history.
        about: the id column whose values it holds.
    """
    sample = profile.sample[column.name]
    has_ids = _has_ids(column, sample)
    if block is not None:
        draft = _history(column, sample, width, has_ids, about)
    elif column.kind is Kind.LISTS:
        return None
    elif has_ids:
        draft = _weighted_tags(column, sample, width) if column.is_weighted else _tags(column, width)
    else:
        draft = _numbers(column, sample, width)
    separator = column.separator or _free(column.held | set(column.inner))
    if separator != "|":
        draft.features[0].separator = separator
    if column.num_missing:
        draft.reason += f", {shown_share(column.missing_rate)} empty"
    return draft


def _has_ids(column: ColumnProfile, sample: pa.ChunkedArray) -> bool:
    # Times in lists are read as texts, which spell no numbers.
    if not column.is_number or any(kind in column.type_name for kind in _UNLIKE_NUMBERS):
        return True
    if not column.is_whole or "double" in column.type_name or "float" in column.type_name:
        return False
    if column.kind is Kind.LIST and "string" in column.type_name:
        return True
    if names.is_number(column.name):
        return False
    return names.is_history(column.name) or names.is_noun(column.name) or is_id(column, sample)[0]


def _free(held: Iterable[str], other: str = "") -> str:
    """Returns a character that stands in no item, so that it can separate them."""
    return next((one for one in SEPARATORS if one not in set(held) | {other}), "\x1f")


def _tags(column: ColumnProfile, width: int) -> Drafted:
    feature = feature_of(column.name, "TagFeature", combiner="mean")
    how = set_table(feature, column, width)
    reason = f"{column.mean_length:.1f} tags on average, {how}"
    return Drafted(field_of(column.name, "STRING"), [feature], reason, column.num_distinct)


def _weighted_tags(column: ColumnProfile, sample: pa.ChunkedArray, width: int) -> Drafted:
    """Returns the draft of tags with weights, `shoes:0.5|coats:1`: a mean in which each tag has its weight."""
    items, _ = column.tally.counted()
    if not len(items):
        items = pc.unique(pc.list_flatten(sample.combine_chunks()).drop_null())
    count = len(pc.unique(pc.list_element(pc.split_pattern(items.filter(pc.not_equal(items, "")), ":"), 0)))
    feature = feature_of(column.name, "TagFeature", kv_separator=":", combiner="mean")
    set_rows(feature, count)
    feature.embedding_dim = table_width(count, width)
    note = f'the tags of "{column.name}" are taken for words with weights, after ":".'
    reason = f"{column.mean_length:.1f} tags with weights on average, {count:,} of them"
    return Drafted(field_of(column.name, "STRING"), [feature], reason, count, [note])


def _numbers(column: ColumnProfile, sample: pa.ChunkedArray, width: int) -> Drafted:
    """Returns a vector where all lists are of one length, and else the mean of the numbers."""
    if column.shortest == column.longest and column.longest > 1:
        feature = feature_of(column.name, "RawFeature", raw_input_dim=column.longest)
        if max(abs(column.low or 0), abs(column.high or 0)) > 10 and (column.high or 0) > (column.low or 0):
            feature.min_val, feature.max_val = float(column.low or 0), float(column.high or 0)
        return Drafted(field_of(column.name, "STRING"), [feature], f"vectors of {column.longest} numbers")
    feature = feature_of(column.name, "RawFeature", combiner="mean", embedding_dim=width)
    feature.boundaries.extend(boundaries(*numbers_of(column, sample))[0])
    feature.seq_multi_sep = column.separator or "|"
    note = f'of the numbers in each "{column.name}" the mean is read.'
    return Drafted(field_of(column.name, "STRING"), [feature], "lists of numbers: their mean", notes=[note])


def _history(column: ColumnProfile, sample: pa.ChunkedArray, width: int, has_ids: bool, about: str) -> Drafted:
    feature = feature_of(column.name, "SequenceFeature")
    lengths = pc.fill_null(pc.list_value_length(sample.combine_chunks()), 0).to_numpy(zero_copy_only=False)
    feature.max_seq_len = int(np.clip(np.quantile(lengths, 0.95), 1, _MOST_STEPS))
    if column.inner or column.kind is Kind.LISTS:
        feature.seq_multi_sep = column.inner or _free(column.held, "|")
        feature.combiner = "mean"
    if has_ids or column.kind is Kind.LISTS:
        how = set_table(feature, column, width)
        if about:
            how = f'values of "{about}", with which it shares a table'
    else:
        feature.sub_feature_type = FeatureConfig.RawFeature
        feature.embedding_dim = width
        feature.boundaries.extend(boundaries(*numbers_of(column, sample))[0])
        how = "numbers"
    reason = f"a history of {column.mean_length:.1f} steps on average, {how}"
    return Drafted(field_of(column.name, "STRING"), [feature], reason, column.num_distinct if has_ids else 0)


def share_tables(drafts: dict[str, Drafted], about: dict[str, str], profile: Profile, width: int) -> None:
    """Lets histories share the table of what they are about: one size, width and way to find rows for all of them."""
    for key in dict.fromkeys(about.values()):
        sharing = [key, *(name for name, other in about.items() if other == key)]
        count = max(profile.columns[name].num_distinct for name in sharing)
        for name in filter(drafts.__contains__, sharing):
            feature = drafts[name].features[0]
            for source in ("vocab_list", "num_buckets"):
                feature.ClearField(source)
            feature.embedding_name = key
            set_rows(feature, count)
            feature.embedding_dim = table_width(count, width)
