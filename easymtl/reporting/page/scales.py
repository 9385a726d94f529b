"""From numbers to places in a drawing, and where its axes have ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Maps numbers from `low` to `high` onto places from `first` to `last`; with `is_log` by ratios."""

    low: float
    high: float
    first: float
    last: float
    is_log: bool = False

    def __call__(self, number: float) -> float:
        """Returns the place of a number."""
        low, high, at = (math.log(one) if self.is_log else one for one in (self.low, self.high, number))
        return self.first + (at - low) / (high - low) * (self.last - self.first)


def span(numbers: Iterable[float], margin: float = 0.0) -> tuple[float, float]:
    """Returns the least and the largest of the finite numbers, apart from each other.

    Args:
        numbers: may be none at all: then 0 and 1.
        margin: share of the span that is added at both ends, up to 0: what is never negative has no room below 0.
    """
    finite = [number for number in numbers if math.isfinite(number)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        half = abs(low) * 0.05 or 0.5
        low, high = low - half, high + half
    wider = margin * (high - low)
    return max(low - wider, 0.0) if low >= 0 else low - wider, min(high + wider, 0.0) if high <= 0 else high + wider


def log_span(numbers: Iterable[float], margin: float = 0.0) -> tuple[float, float]:
    """Returns the span of positive numbers, with a margin in orders of magnitude."""
    low, high = span((math.log(number) for number in numbers), 0.0)
    wider = margin * (high - low)
    return math.exp(low - wider), math.exp(high + wider)


def log_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers between two positive ones, equal ratios as far apart: powers of 10, with 2 and 5 of few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
        if len(found) <= most:
            break
    return found[:: math.ceil(len(found) / most)] if found else [low, high]


def ticks(low: float, high: float, most: int = 5, is_counted: bool = False) -> list[float]:
    """Returns round numbers between two numbers, at most `most` of them; of what is counted whole ones."""
    rough = (high - low) / most
    if is_counted:
        rough = max(rough, 1.0)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (one * power for one in _STEPS if not is_counted or (one * power).is_integer())
    step = next(one for one in steps if one >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_texts(numbers: list[float]) -> list[str]:
    """Returns ticks as texts with as many digits as tell them apart: `0.71`, `2k`, `1.5M`."""
    largest = max((abs(number) for number in numbers), default=0.0)
    unit, letter = next(((u, s) for u, s in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if largest >= 10 * u), (1, ""))
    step = min((b - a for a, b in pairwise(numbers)), default=largest or 1.0) / unit
    if 0 < step < 1e-5:
        return [f"{number:.3g}" for number in numbers]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    scaled = step * 10**decimals
    decimals += abs(scaled - round(scaled)) > 1e-6
    return [f"{number / unit:.{decimals}f}{letter if number else ''}" for number in numbers]
