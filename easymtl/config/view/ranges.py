"""Ranges of names: `f[1-3]` stands for f1, f2 and f3."""

import re
from collections.abc import Iterator

_RANGE = re.compile(r"^(?P<prefix>.*)\[(?P<first>\d{1,18})-(?P<last>\d{1,18})\](?P<suffix>.*)$")
LONGEST_RANGE = 100_000
"""How many names a range may stand for; the check of a config refuses longer ones before they are expanded."""


def range_size(pattern: str) -> int | None:
    """Returns how many names a range such as `f[1-3]` stands for, None for a plain name."""
    match = _RANGE.match(pattern)
    return int(match["last"]) - int(match["first"]) + 1 if match else None


def expand_range(pattern: str) -> Iterator[str]:
    """Yields the names that a range such as `f[1-3]` stands for, or the plain name."""
    match = _RANGE.match(pattern)
    if not match:
        yield pattern
        return
    for number in range(int(match["first"]), int(match["last"]) + 1):
        yield f"{match['prefix']}{number}{match['suffix']}"
