"""Which features are permuted together: one by one, by the field that they read, or by group."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from easymtl.data.rows import Rows
from easymtl.features.feature_set import FeatureSet

WAYS = ("feature", "input", "group")
"""What `--by` of `easymtl importance` can be."""


def parts_of(features: FeatureSet, way: str) -> dict[str, tuple[str, ...]]:
    """Returns the features of each part of the inputs, by what the part is called.

    Histories that are read side by side have equal lengths and stay together: their names are joined by "+".

    Args:
        features: those of the model.
        way: "feature"; "input", all features that read a field; "group", all features of a feature group.
    """
    parts: dict[str, tuple[str, ...]]
    if way == "feature":
        parts = {name: (name,) for name in features.transforms}
    elif way == "input":
        parts = {
            field: tuple(name for name, transform in features.transforms.items() if field in transform.inputs)
            for field in features.fields
        }
    else:
        parts = {
            name: tuple(dict.fromkeys(slot.feature for slot in slots.all)) for name, slots in features.groups.items()
        }
    return _named(parts, features.parallel, is_joining=way != "group")


def _named(
    parts: Mapping[str, Sequence[str]], parallel: Iterable[Sequence[str]], is_joining: bool
) -> dict[str, tuple[str, ...]]:
    """Returns the parts, those with histories that are read side by side made one where `is_joining`."""
    sets = {name: dict.fromkeys(members) for name, members in parts.items()}
    for histories in parallel:
        touched = [name for name, members in sets.items() if any(one in members for one in histories)]
        together = dict.fromkeys([one for name in touched for one in sets[name]] + [*histories])
        if not is_joining:
            for name in touched:
                sets[name] |= dict.fromkeys(histories)
        elif touched:
            merged = "+".join(dict.fromkeys(touched))
            sets = {
                (merged if name == touched[0] else name): (together if name == touched[0] else members)
                for name, members in sets.items()
                if name == touched[0] or name not in touched
            }
    return {name: tuple(members) for name, members in sets.items() if members}


def exchanged(rows: Rows, features: FeatureSet, names: Iterable[str], order: np.ndarray) -> Rows:
    """Returns rows in which some features, in every group that has them, are those of the rows `order` `[n]`."""
    names = set(names)
    columns = dict(rows.columns)
    slots = [slot for slot in features.slots if slot.feature in names]
    for name, kind in features.layout.columns.items():
        own = [slot for slot in slots if slot.columns is kind]
        if own:
            columns[name] = kind.exchanged(columns[name], own, order)
    return Rows(columns)
