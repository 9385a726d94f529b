"""What a network is drafted from: features, labels, and which label needs which."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from easymtl.drafting.features import Features
from easymtl.drafting.labels import Label
from easymtl.drafting.roles import Roles
from easymtl.drafting.sizes import Sizes

_TAKEN = {"all", "ctcvr", "scene", "people"}
_ENDS = ("_masked", "_imputation")
_GIVEN = "_given_"


@dataclass(frozen=True)
class Plan:
    """What is known before there is a network.

    Attributes:
        features: what it reads.
        labels: what it learns.
        parents: which label needs which.
        roles: what other columns are.
        sizes: how large it is.
        groups: columns by whose values a metric compares rows: users, sessions.
        towers: the name of the tower of each label.
        comments: gets comments on fields of the model by their paths inside of it.
    """

    features: Features
    labels: Sequence[Label]
    parents: Mapping[str, str]
    roles: Roles
    sizes: Sizes
    groups: Sequence[str]
    towers: dict[str, str]
    comments: dict[str, str] = field(default_factory=dict)


def tower_names(labels: Sequence[Label]) -> dict[str, str]:
    """Returns a name for the tower of each label: its own, with letters, digits and _ only, and free.

    Results are called after towers, those given a parent and those that a model makes of its towers too.
    """
    found: dict[str, str] = {}
    for label in labels:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", label.name).strip("_") or "task"
        if name in _TAKEN or name.endswith(_ENDS) or _GIVEN in name:
            name = f"task_{name.replace(_GIVEN, '_if_')}_"
        place, free = 1, name
        while free in found.values():
            place += 1
            free = f"{name}_{place}"
        found[label.name] = free
    return found
