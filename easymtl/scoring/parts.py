"""Which features are permuted together: one by one, by the field that they read, or by group."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from easymtl.data.rows import Rows
from easymtl.features.feature_set import FeatureSet

Parts = dict[str, tuple[str, ...]]


def parts_of(features: FeatureSet, way: str) -> Parts:
    """Returns the features of each part of the inputs, by what the config calls the part.

    A feature that groups read in several ways, such as with a wide table and a deep one, is one feature. Histories that
    are read side by side have equal lengths and stay together: their names are joined by "+".

    Args:
        features: those of the model.
        way: one of `names.IMPORTANCE_WAYS`: "feature"; "input", all features that read a field; "group", all features
            of a feature group.

    Returns:
        The names that the feature set has for the features of each part.
    """
    copies = _copies(features)
    parts: dict[str, Iterable[str]]
    if way == "feature":
        parts = {name: [name] for name in copies}
    elif way == "input":
        inputs = {
            name: {field for copy in own for field in features.transforms[copy].inputs} for name, own in copies.items()
        }
        parts = {field: [name for name in copies if field in inputs[name]] for field in features.fields}
    else:
        parts = _groups(features)
    together = _with_parallel(parts, features.parallel, is_joining=way != "group")
    return {part: tuple(copy for name in members for copy in copies[name]) for part, members in together.items()}


def _names(features: FeatureSet) -> Iterable[tuple[str, str, str]]:
    """Yields each feature of each group: the group and the feature as the config calls them, and its own name."""
    for name, slots in features.groups.items():
        group = features.input_groups[name]
        for slot in slots.all:
            yield group.config.group_name, group.plain_name(slot.feature), slot.feature


def _copies(features: FeatureSet) -> dict[str, list[str]]:
    """Returns the names that the feature set has for each feature of the config."""
    found: dict[str, dict[str, None]] = {}
    for _, name, copy in _names(features):
        found.setdefault(name, {})[copy] = None
    return {name: list(copies) for name, copies in found.items()}


def _groups(features: FeatureSet) -> dict[str, Iterable[str]]:
    """Returns the features of each group of the config."""
    found: dict[str, dict[str, None]] = {}
    for group, name, _ in _names(features):
        found.setdefault(group, {})[name] = None
    return dict(found)


def _with_parallel(parts: Mapping[str, Iterable[str]], parallel: Iterable[Sequence[str]], is_joining: bool) -> Parts:
    """Returns the parts with all histories that are read side by side with one of theirs; where `is_joining` as one."""
    sets = {name: dict.fromkeys(members) for name, members in parts.items()}
    for histories in parallel:
        touched = [name for name, members in sets.items() if any(one in members for one in histories)]
        if not is_joining:
            for name in touched:
                sets[name] |= dict.fromkeys(histories)
        elif touched:
            merged = {one: None for name in touched for one in sets[name]}
            sets = {
                ("+".join(touched) if name == touched[0] else name): (merged if name == touched[0] else members)
                for name, members in sets.items()
                if name == touched[0] or name not in touched
            }
    return {name: tuple(members) for name, members in sets.items() if members}


def exchanged(rows: Rows, features: FeatureSet, names: Iterable[str], order: np.ndarray) -> Rows:
    """Returns rows in which some features, in every group that has them, are those of the rows `order` `[n]`."""
    names = set(names)
    columns = dict(rows.columns)
    for name, kind in features.layout.columns.items():
        own = [slot for slot in kind.slots if slot.feature in names]
        if own:
            columns[name] = kind.exchanged(columns[name], own, order)
    return Rows(columns)
