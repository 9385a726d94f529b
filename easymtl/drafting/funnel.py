"""Which label needs another one to happen first: no like without a click."""

from collections.abc import Mapping, Sequence

import numpy as np

from easymtl.drafting.labels import Label, label_numbers
from easymtl.drafting.profile import Profile
from easymtl.drafting.telling import is_never_without

_RARER = 0.98


def find_parents(profile: Profile, labels: Sequence[Label]) -> dict[str, str]:
    """Returns the nearest event that each label needs, by the label.

    A label needs an event where it is never above 0 without it, more often than by chance, and is rarer; a value may be
    as frequent. All rows are asked where labels are numbers, those of the sample where they are texts.

    Args:
        profile: of the data, with the rows where one label happened and another did not.
        labels: what is learnt.
    """
    happened = {label.name: label_numbers(label, profile.sample[label.name]) > 0 for label in labels}
    parents: dict[str, str] = {}
    for label in labels:
        own = happened[label.name]
        if (
            label.kind == "classes"
            or not own.any()
            or ((profile.columns[label.name].low or 0) < 0 and not label.numbers)
        ):
            continue
        needed = [
            other.name
            for other in labels
            if other.name != label.name
            and other.is_event
            and _needs(profile, other, label, own, happened[other.name])
            and (not label.is_event or own.sum() <= _RARER * happened[other.name].sum())
        ]
        if needed:
            parents[label.name] = min(needed, key=lambda name: (int(happened[name].sum()), needed.index(name)))
    return parents


def _needs(profile: Profile, event: Label, label: Label, own: np.ndarray, happened: np.ndarray) -> bool:
    """Returns whether a label never happens without an event, given in which rows of the sample each of them does."""
    is_counted = not event.numbers and not label.numbers
    return is_never_without(own, happened) and (
        not is_counted or profile.together.get((event.name, label.name), 0) == 0
    )


def ancestors(name: str, parents: Mapping[str, str]) -> list[str]:
    """Returns what has to happen before a label, the first one first."""
    found: list[str] = []
    while name in parents and parents[name] not in found:
        name = parents[name]
        found.insert(0, name)
    return found
