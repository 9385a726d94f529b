"""Intervals such as `[0, 1)`: the numbers that an option of a field, or the parameter of a package, allows."""

import re

_INTERVAL = re.compile(r"([\[(])\s*(\S+)\s*,\s*(\S+)\s*([\])])")


def is_interval(text: str) -> bool:
    """Returns whether a text is an interval, and some number lies in it."""
    match = _INTERVAL.fullmatch(text)
    try:
        return match is not None and (float(match[2]) < float(match[3]) or in_range(float(match[2]), text))
    except ValueError:
        return False


def in_range(number: float, interval: str) -> bool:
    """Returns whether a number lies in an interval; no NaN does."""
    match = _INTERVAL.fullmatch(interval)
    assert match, f"malformed range {interval}"
    low, high = float(match[2]), float(match[3])
    above = number >= low if match[1] == "[" else number > low
    below = number <= high if match[4] == "]" else number < high
    return above and below
