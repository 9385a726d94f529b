"""Which label needs another one to happen first: no like without a click."""

from collections.abc import Mapping, Sequence

from easymtl.drafting.labels import Label
from easymtl.drafting.profile import Profile

_RARER = 0.98


def find_parents(profile: Profile, labels: Sequence[Label]) -> dict[str, str]:
    """Returns the nearest event that each label needs, by the label.

    A label needs an event where it is never above 0 without it, in all rows, and is rarer; a value may be as frequent.

    Args:
        profile: of the data, with the rows where one label happened and another did not.
        labels: what is learnt.
    """
    happened = {label.name: _times(profile, label) for label in labels}
    parents: dict[str, str] = {}
    for label in labels:
        if label.numbers or label.kind == "classes" or not happened[label.name]:
            continue
        needed = [
            other.name
            for other in labels
            if other.name != label.name
            and other.is_event
            and not other.numbers
            and profile.together.get((other.name, label.name), 1) == 0
            and happened[other.name] < profile.num_rows
            and (not label.is_event or happened[label.name] <= _RARER * happened[other.name])
        ]
        if needed:
            parents[label.name] = min(needed, key=lambda name: (happened[name], needed.index(name)))
    return parents


def _times(profile: Profile, label: Label) -> int:
    column = profile.columns[label.name]
    return 0 if (column.low or 0) < 0 else column.num_values - column.num_zeros


def ancestors(name: str, parents: Mapping[str, str]) -> list[str]:
    """Returns what has to happen before a label, the first one first."""
    found: list[str] = []
    while name in parents and parents[name] not in found:
        name = parents[name]
        found.insert(0, name)
    return found
