"""Which metric of which tower a result is: `weighted_auc_is_click` -> (`weighted_auc`, `is_click`)."""

import re
from collections.abc import Iterable, Mapping

from easymtl.config.names import METRICS, SUMMARIES
from easymtl.extensions import installed_names

_NUMBER = re.compile(r"^(?P<name>.+)(?P<number>_\d+)$")


def split_result(name: str, towers: Iterable[str]) -> tuple[str, str | None]:
    """Returns the metric or loss and the tower of a result's name; the tower is None where none fits.

    Names of towers may hold underscores: the longest that ends the name counts. The number of a second loss of one
    kind, which stands behind the tower, goes to the loss: `l2_loss_time_2` -> (`l2_loss_2`, `time`).
    """
    towers = list(towers)
    fitting = [tower for tower in towers if name.endswith(f"_{tower}")]
    if fitting:
        longest = max(fitting, key=len)
        return name[: -len(longest) - 1], longest
    numbered = _NUMBER.match(name)
    if numbered:
        kind, tower = split_result(numbered["name"], towers)
        if tower is not None:
            return kind + numbered["number"], tower
    return name, None


def is_metric(kind: str) -> bool:
    """Returns whether the first part of a result's name is a metric, of ours or of a package, and not a loss."""
    plain = kind.removeprefix("weighted_")
    if plain in installed_names("metric"):
        return True
    numbered = _NUMBER.match(plain)
    return plain in (*METRICS.names, *SUMMARIES) or bool(numbered and numbered["name"] in METRICS.names)


def by_tower(results: Mapping[str, float], towers: Iterable[str]) -> dict[str, dict[str, float]]:
    """Returns metric -> value for each tower, in its order; the losses of a tower are summed up as `loss`."""
    table: dict[str, dict[str, float]] = {tower: {} for tower in towers}
    losses: dict[str, float] = {}
    for name, value in results.items():
        kind, tower = split_result(name, table)
        if tower is None:
            continue
        if is_metric(kind):
            table[tower][kind] = value
        else:
            losses[tower] = losses.get(tower, 0.0) + value
    for tower, loss in losses.items():
        table[tower]["loss"] = loss
    return table


def without_tower(results: Mapping[str, float], towers: Iterable[str]) -> dict[str, float]:
    """Returns the results that belong to no single tower, such as `loss`."""
    towers = list(towers)
    return {name: value for name, value in results.items() if split_result(name, towers)[1] is None}
