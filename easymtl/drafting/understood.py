"""What the columns of a table are, and what a model makes of them: all that is known before there is a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from easymtl.drafting.existing import Existing
from easymtl.drafting.features import Features, draft_features
from easymtl.drafting.funnel import find_parents
from easymtl.drafting.labels import Label, find_labels
from easymtl.drafting.plan import Plan, tower_names
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import Roles, find_roles, has_groups
from easymtl.drafting.schema import Schema, apply_schema
from easymtl.drafting.seen import seen_shares
from easymtl.drafting.sizes import Sizes
from easymtl.drafting.table import Table
from easymtl.errors import UserError, quoted

_RARE = 50
_MANY_IDS = 1000


@dataclass(frozen=True)
class Understood:
    """What columns are and what is made of them.

    Attributes:
        labels: what is learnt.
        parents: which label needs which.
        roles: what other columns are.
        features: what is read.
    """

    labels: list[Label]
    parents: dict[str, str]
    roles: Roles
    features: Features

    def plan(self, profile: Profile, sizes: Sizes) -> Plan:
        """Returns what a network of some sizes is drafted from."""
        keys = [name for name in (self.roles.user, self.roles.session) if name]
        groups = [name for name in keys if has_groups(profile.columns[name])]
        towers = tower_names(self.labels)
        return Plan(self.features, self.labels, self.parents, self.roles, sizes, groups, towers)

    def has_rare_ids(self, profile: Profile) -> bool:
        """Returns whether a feature has many ids with few rows each."""
        drafts = self.features.drafts
        columns = [profile.columns[name] for name, draft in drafts.items() if draft.num_ids > _MANY_IDS]
        return any(not column.is_list and column.num_values < _RARE * column.num_distinct for column in columns)


def understand(
    profile: Profile,
    wanted: list[str],
    judged: Table | None,
    told: Schema | None,
    existing: Existing | None,
    named: dict[str, str | None],
    ignore: Sequence[str],
    width: int,
) -> Understood:
    """Returns what the columns of a profile are.

    Args:
        profile: of the training rows; what a schema says of its columns is noted in it.
        wanted: the labels.
        judged: evaluation rows, where they are given.
        told: what a schema says.
        existing: a config whose columns are not drafted again.
        named: `user`, `session` and `time`, where somebody named them.
        ignore: columns that nothing shall read.
        width: of the vectors of numbers and of small tables.

    Raises:
        UserError: a label cannot be learnt, no column is left to read, or evaluation rows lack a label.
    """
    if told:
        apply_schema(told, profile, named)
    labels = find_labels(profile, wanted)
    roles = find_roles(profile, labels, named, ignore)
    if told:
        told.leave_out(profile, roles, wanted)
    seen = _seen(profile, judged, roles, wanted) if judged is not None else None
    rest = existing.rest(profile, roles) if existing else set()
    features = draft_features(profile, {*wanted, *rest}, roles, width, seen, existing is not None)
    if told:
        told.refine(features)
    return Understood(labels, find_parents(profile, labels), roles, features)


def _seen(profile: Profile, judged: Table, roles: Roles, labels: Sequence[str]) -> dict[str, float]:
    """Returns which ids evaluation rows share with training rows; columns that they lack are left out."""
    missing = [name for name in profile.columns if name not in judged.types]
    lacking = [name for name in missing if name in labels]
    if lacking:
        raise UserError(f"--eval: there is no column {quoted(lacking)} in it, which is to be learnt.")
    for name in missing:
        roles.left_out.setdefault(name, "not in the evaluation data")
    return seen_shares(profile, judged, [name for name in _id_columns(profile) if name not in missing])


def _id_columns(profile: Profile) -> list[str]:
    return [name for name, column in profile.columns.items() if not column.is_list and column.num_distinct > _RARE]
