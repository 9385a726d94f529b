"""Whether the scores of a way are those of the baseline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from easymtl.serving.parity import difference_of, size_of

Outputs = Mapping[str, np.ndarray]
Derive = Callable[[Outputs], Mapping[str, Any]]


@dataclass(frozen=True)
class Difference:
    """What is furthest from the baseline, next to what is allowed, among the outputs of a signature.

    Attributes:
        num_rows: rows that were compared.
        largest: the largest difference.
        output: where it is.
        allowed: how large it may be there.
        problem: what is wrong; None if nothing is.
    """

    num_rows: int
    largest: float = 0.0
    output: str = ""
    allowed: float = 0.0
    problem: str | None = None


def compare(
    found: Outputs, wanted: Outputs, num_rows: int, tolerance: float, derive: Derive = lambda scores: {}
) -> Difference:
    """Returns how far scores are from those that are wanted.

    Args:
        found: by output. Texts may be left out.
        wanted: by output.
        num_rows: of each.
        tolerance: of probabilities; of others it is multiplied by the largest magnitude.
        derive: makes outputs that are formulas of others, by name: they are held against what follows from the others
            that were found, as a formula may make much of a difference that is small enough.
    """
    numbers = {name for name, values in wanted.items() if values.dtype.kind != "O"}
    if not numbers <= set(found) <= set(wanted):
        return Difference(num_rows, problem=f"gives {sorted(found)} in place of {sorted(wanted)}")
    for name, values in found.items():
        if len(values) != num_rows or (num_rows and values.shape != wanted[name].shape):
            shape = [num_rows, *wanted[name].shape[1:]]
            return Difference(num_rows, output=name, problem=f"{name} is {[*values.shape]} in place of {shape}")
    if not num_rows:
        return Difference(0)
    return _compare(found, {**wanted, **_derived(found, derive)}, tolerance)


def _derived(found: Outputs, derive: Derive) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in derive(found).items() if name in found}


def _compare(found: Outputs, wanted: Outputs, tolerance: float) -> Difference:
    worst, worst_share = Difference(0), -1.0
    for name, values in found.items():
        expected, allowed = wanted[name], tolerance * size_of(wanted[name])
        difference = difference_of(name, values, wanted)
        if values.dtype.kind == expected.dtype.kind == "f":
            difference = np.where(np.isnan(values) & np.isnan(expected), 0.0, difference)
        # A score on one side alone is as far away as can be.
        difference = np.where(np.isnan(difference), np.inf, difference).reshape(len(values), -1)
        largest = float(difference.max(initial=0.0))
        if largest / allowed > worst_share:
            problem = None
            if largest > allowed:
                row = int(difference.max(axis=1).argmax())
                problem = f"{name} of row {row} (the first is 0) is {values[row]} in place of {expected[row]}"
            worst_share, worst = largest / allowed, Difference(len(values), largest, name, allowed, problem)
    return worst
