"""Names of losses and metrics: each unique in a model, and the same from run to run."""

from collections.abc import Iterable


def numbered(names: Iterable[str]) -> list[str]:
    """Returns the names in order, with `_2`, `_3`, ... behind those that came before: `a a` becomes `a a_2`."""
    result: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in result:
            number += 1
            unique = f"{name}_{number}"
        result.append(unique)
    return result
