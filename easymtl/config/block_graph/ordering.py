"""Sorts what depends on each other, and finds circles."""

from collections.abc import Mapping, Sequence


def sort(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the keys, each behind what it needs; those of a circle, and what needs them, are left out.

    What is free is taken from the end of the list, as EasyRec does: layers without a name of their own are numbered as
    they are made.
    """
    readers: dict[str, list[str]] = {name: [] for name in needs}
    missing = {name: len(set(needed)) for name, needed in needs.items()}
    for name, needed in needs.items():
        for one in dict.fromkeys(needed):
            readers[one].append(name)
    ready = [name for name, number in missing.items() if not number]
    order: list[str] = []
    while ready:
        name = ready.pop()
        order.append(name)
        for reader in readers[name]:
            missing[reader] -= 1
            if not missing[reader]:
                ready.append(reader)
    return order


def circle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Returns the names of a circle, the first one again at the end; empty if there is none."""
    left = set(needs) - set(sort(needs))
    if not left:
        return []
    # Whatever is left needs something that is left, so this walk comes back to where it has been.
    name = next(name for name in needs if name in left)
    way: list[str] = []
    while name not in way:
        way.append(name)
        name = next(one for one in needs[name] if one in left)
    return [*way[way.index(name) :], name]
