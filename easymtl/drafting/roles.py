"""Which column is what, besides features: users, sessions, time, weights, keys of rows, and what tells the answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from easymtl.drafting import names
from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.kinds import Kind
from easymtl.drafting.labels import Label, label_numbers
from easymtl.drafting.profile import Profile
from easymtl.drafting.telling import follows, tells

OF_WORDS = '; its words can be learnt by a TagFeature with separator: " "'
"""What can be done with texts of several words."""
_ROW_KEY = 0.95
_FEWEST_ROWS_OF_KEY = 100
_FEWEST_ROWS_OF_USER = 3.0
_EPOCHS = ((1, 5e8, 4e9), (1000, 5e11, 4e12), (1_000_000, 5e14, 4e15))
"""How many units a second has, and what whole numbers since 1970 lie between for years from 1985 to 2096."""


@dataclass
class Roles:
    """What columns are.

    Attributes:
        user: tells users apart.
        session: tells requests apart.
        time: when a row happened.
        sample_weight: what a row counts in training.
        left_out: columns that no feature reads, and why.
        notes: what was guessed.
    """

    user: str = ""
    session: str = ""
    time: str = ""
    sample_weight: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_roles(
    profile: Profile, labels: Sequence[Label], named: dict[str, str | None], ignore: Collection[str]
) -> Roles:
    """Returns the roles of all columns.

    Args:
        profile: of the data.
        labels: what is learnt.
        named: `user`, `session` and `time`, where somebody named them.
        ignore: columns that are left out because somebody said so.
    """
    roles = Roles(named["user"] or "", named["session"] or "", named["time"] or "")
    taken = {label.name for label in labels}
    for name, column in profile.columns.items():
        if name in ignore:
            roles.left_out[name] = "left out by --ignore"
        elif not name:
            roles.left_out[name] = "nothing can read it, as an index that pandas wrote; name it, if it tells something"
        elif name not in taken:
            _find_role(column, roles)
    for name, column in profile.columns.items():
        if name in taken or name in roles.left_out or name == roles.sample_weight:
            continue
        reason = _reason(column, roles, profile, labels)
        if reason:
            roles.left_out[name] = reason
    if roles.session and roles.session not in roles.left_out:
        roles.left_out[roles.session] = "tells requests apart: it is new in every request"
    return roles


def _find_role(column: ColumnProfile, roles: Roles) -> None:
    name = column.name
    if column.is_list:
        return
    if not roles.user and names.is_user(name) and column.kind in (Kind.TEXT, Kind.WHOLE):
        roles.user = name
    elif not roles.session and names.is_session(name):
        roles.session = name
    elif not roles.time and is_time_of_row(column):
        roles.time = name
        if column.kind is Kind.WHOLE:
            roles.notes.append(f'"{name}" is taken for the time of a row, in {time_unit(column)[1]} since 1970.')
    elif not roles.sample_weight and names.is_sample_weight(name) and (column.low or 0) >= 0 and column.is_number:
        roles.sample_weight = name
        roles.notes.append(
            f'"{name}" weighs the rows in training (data_config.sample_weight). Remove that line if it is none.'
        )


def is_time_of_row(column: ColumnProfile) -> bool:
    """Returns whether a column says when its row happened."""
    if names.is_of_life(column.name):
        return False
    if column.kind in (Kind.TIME, Kind.DATE):
        return True
    if column.kind is Kind.TEXT and column.num_values:
        return column.is_time
    return column.kind is Kind.WHOLE and names.is_time(column.name) and bool(time_unit(column)[0])


def time_unit(column: ColumnProfile) -> tuple[int, str]:
    """Returns how many units of a column of whole numbers a second has, 0 where they are no times, and their name."""
    for (units, low, high), name in zip(_EPOCHS, ("seconds", "milliseconds", "microseconds")):
        if column.low is not None and column.high is not None and column.low >= low and column.high < high:
            return units, name
    return 0, ""


def _reason(column: ColumnProfile, roles: Roles, profile: Profile, labels: Sequence[Label]) -> str:
    """Returns why no feature reads a column, and an empty text where one does."""
    name = column.name
    if column.kind is Kind.NESTED:
        return f"{column.type_name}: nothing reads such values; write the parts that matter as columns of their own"
    if column.is_broken:
        return "bytes that are no text"
    if not column.num_values:
        return "no row has a value"
    if column.num_distinct == 1 and not column.num_missing and not column.is_list:
        return "the same in every row"
    answered = next((label.name for label in labels if names.answers(name, label.name)), None)
    if answered:
        roles.notes.append(f'"{name}" is called as an answer to "{answered}", and is left out: it would give it away.')
        return f'called as an answer to "{answered}"'
    if names.is_weight(name) and column.is_number and not column.is_list:
        roles.notes.append(
            f'"{name}" is taken for a weight of rows, not for an input, and is left out. To weigh the rows by it, set '
            f'data_config {{ sample_weight: "{name}" }}.'
        )
        return "by its name a weight of rows, which a server does not have"
    if _is_row_key(column, profile):
        reason = "another one in nearly every row: a key of rows tells nothing of other rows"
        is_prose = column.kind is Kind.TEXT and " " in column.held and not column.is_time
        return reason + (OF_WORDS if is_prose else "")
    return _leak(column, profile, labels, roles)


def _is_row_key(column: ColumnProfile, profile: Profile) -> bool:
    if column.is_list or column.kind not in (Kind.TEXT, Kind.WHOLE) or profile.num_rows < _FEWEST_ROWS_OF_KEY:
        return False
    if column.kind is Kind.TEXT and (column.is_time or (column.is_number and not column.is_whole)):
        return False
    is_distinct = column.num_distinct >= _ROW_KEY * column.num_values and column.num_values > 0.5 * profile.num_rows
    if column.kind is Kind.WHOLE or column.is_number:
        spread = (column.high or 0) - (column.low or 0) + 1
        is_count = spread <= 1.1 * profile.num_rows
        return is_distinct and (is_count or names.is_id(column.name) or names.is_noun(column.name))
    return is_distinct


def _leak(column: ColumnProfile, profile: Profile, labels: Sequence[Label], roles: Roles) -> str:
    """Returns why a column gives a label away; one that nearly does is noted."""
    if column.is_list or column.kind in (Kind.NESTED, Kind.NULL):
        return ""
    values = profile.sample[column.name].combine_chunks()
    if column.kind is Kind.TEXT and column.is_number:
        values = values.cast(pa.float64())
    for label in labels:
        numbers = label_numbers(label, profile.sample[label.name])
        if label.is_event and follows(values, numbers):
            roles.notes.append(
                f'"{column.name}" is 0 or missing in all rows without "{label.name}": it is taken for what is known '
                "afterwards, and is left out. It may be a label of its own."
            )
            return f'0 or missing in all rows without "{label.name}": known afterwards only'
        share = tells(values, numbers, label.is_event)
        if share > 0.999:
            roles.notes.append(f'"{column.name}" equals or all but equals the label "{label.name}", and is left out.')
            return f'gives the label "{label.name}" away'
        if share > 0.98:
            roles.notes.append(
                f'"{column.name}" alone nearly tells the label "{label.name}" ({share:.3f} of 1). If it is only known '
                f"afterwards, leave it out: --ignore {column.name}."
            )
    return ""


def rows_per(column: ColumnProfile) -> float:
    """Returns how many rows a value of a column has on average."""
    return column.num_values / max(column.num_distinct, 1)


def has_groups(column: ColumnProfile) -> bool:
    """Returns whether a value of a column has enough rows to compare them with each other."""
    return rows_per(column) >= _FEWEST_ROWS_OF_USER
