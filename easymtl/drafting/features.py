"""Every column that is not a label or something else becomes features."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.drafted import Drafted, feature_of, field_of
from easymtl.drafting.ids import draft_id, is_id
from easymtl.drafting.kinds import Kind
from easymtl.drafting.labels import shown_share
from easymtl.drafting.lists import Block, draft_list, find_blocks, share_tables
from easymtl.drafting.numbers import draft_number
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import OF_WORDS, Roles, is_time_of_row, rows_per, time_unit
from easymtl.drafting.times import draft_time
from easymtl.errors import UserError

_SEEN = 0.2
_FEWEST_ROWS_OF_ID = 2.0
_MANY_IDS = 200


@dataclass
class Features:
    """The features of a draft.

    Attributes:
        drafts: of the columns that features read, by name, in the order of the data.
        blocks: histories that are read with attention.
    """

    drafts: dict[str, Drafted] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def in_history(self, name: str) -> bool:
        """Returns whether a column is read step by step, with attention."""
        return any(name in block.histories for block in self.blocks)


def draft_features(
    profile: Profile,
    labels: Collection[str],
    roles: Roles,
    width: int,
    seen: Mapping[str, float] | None = None,
    may_be_none: bool = False,
) -> Features:
    """Returns the features of all columns; what cannot be read is added to `roles.left_out`.

    Args:
        profile: of the data.
        labels: columns that are learnt.
        roles: what other columns are.
        width: of the vectors of numbers and of small tables.
        seen: of id columns, the share of evaluation rows whose value training rows have; None without such rows.
        may_be_none: whether there may be nothing to draft, as other features are there already.

    Raises:
        UserError: nothing is left that a model could read.
    """
    candidates = {
        name: column
        for name, column in profile.columns.items()
        if name not in labels and name not in roles.left_out and name != roles.sample_weight
    }
    features = Features()
    for name, column in candidates.items():
        if not column.is_list:
            draft = _draft(column, profile, roles, width)
            if draft is not None and not _is_unseen(column, draft, roles, seen):
                features.drafts[name] = draft
    ids = [name for name, draft in features.drafts.items() if draft.num_ids]
    rare = [name for name in candidates if name in roles.left_out and not candidates[name].is_list]
    lists = [name for name, column in candidates.items() if column.is_list]
    features.blocks, about = find_blocks(profile, lists, ids, rare, roles.left_out)
    for name in lists:
        if name in roles.left_out:
            continue
        block = next((block for block in features.blocks if name in block.histories), None)
        draft = draft_list(candidates[name], profile, width, block, about.get(name, ""))
        if draft is None:
            roles.left_out[name] = f"{candidates[name].type_name}: lists of lists that no history is read with"
        else:
            features.drafts[name] = draft
    share_tables(features.drafts, about, profile, width)
    features.drafts = {name: features.drafts[name] for name in candidates if name in features.drafts}
    if not features.drafts and not may_be_none:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in roles.left_out.items())
        raise UserError(f"no column is left that a model could read. {reasons or 'All columns are labels'}.")
    return features


def _draft(column: ColumnProfile, profile: Profile, roles: Roles, width: int) -> Drafted | None:
    """Returns the draft of a column of one value in each row; None where there is none, with the reason in `roles`."""
    sample = profile.sample[column.name]
    if column.kind is Kind.BOOL:
        return _true_or_false(column)
    if column.kind is Kind.DATE and column.name != roles.time:
        draft = draft_number(column, sample, width)
        draft.reason = f"days since 1970, {draft.reason}"
        return draft
    if column.name == roles.time or column.kind is Kind.TIME or is_time_of_row(column):
        units = 1_000_000 if column.kind is Kind.TIME else time_unit(column)[0]
        timed = draft_time(column, units, width)
        if timed is None:
            roles.left_out[column.name] = "a time: it never comes again"
            if column.kind is Kind.TEXT:
                roles.left_out[column.name] += ", and hours are computed of timestamps, not of texts"
        return timed
    has_ids, is_guess = is_id(column, sample)
    draft = draft_id(column, width) if has_ids else draft_number(column, sample, width)
    if is_guess:
        taken, other = ("ids", "amounts") if has_ids else ("amounts", "ids")
        draft.notes.append(f'the whole numbers of "{column.name}" are taken for {taken}; they may be {other}.')
    return draft


def _true_or_false(column: ColumnProfile) -> Drafted:
    feature = feature_of(column.name, "IdFeature", vocab_list=["<other>", "true", "false"], embedding_dim=8)
    missing = f", {shown_share(column.missing_rate)} missing" if column.num_missing else ""
    # As text, since a missing BOOL would be false.
    return Drafted(field_of(column.name, "STRING"), [feature], f"true and false{missing}", 2)


def _is_unseen(column: ColumnProfile, draft: Drafted, roles: Roles, seen: Mapping[str, float] | None) -> bool:
    """Returns whether ids would be noise to learn from: few rows to come have one that was learnt."""
    if not draft.num_ids or draft.num_ids < _MANY_IDS:
        return False
    if seen is not None and seen.get(column.name, 1) < _SEEN:
        share = shown_share(seen[column.name])
        roles.left_out[column.name] = f"only {share} of the evaluation rows have a value that training rows have"
        return True
    if rows_per(column) >= _FEWEST_ROWS_OF_ID:
        return False
    roles.left_out[column.name] = f"{rows_per(column):.1f} rows for each value: too few to learn of"
    if " " in column.held:
        roles.left_out[column.name] += OF_WORDS
    return True
