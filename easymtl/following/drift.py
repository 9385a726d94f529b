"""What has moved far from one part of the data to the next.

    rows                       fewer than half, or more than twice
    shares of missing, unknown more than 5 points of percent
    mean label, mean score     by more than 20 %

of what it usually is: the median of the last 7 parts. Shares and means have to be further away than 4 standard errors,
too, so that a small part is not told of for its chance.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from easymtl.features.growing.unseen import UNSEEN
from easymtl.reporting.formats import number_text, percent_text

NUM_PARTS = 7
"""Parts whose median is what is usual."""
_ROWS = 2.0
_SHARE = 0.05
_MEAN = 0.2
_ERRORS = 4.0

Found = Mapping[str, Any]
"""What was found in a part, see `easymtl.following.scoring.found_in`."""


def drift(found: Found, before: Sequence[Found]) -> list[str]:
    """Returns a sentence for whatever has moved far.

    Args:
        found: in a part.
        before: in the parts before it, as their records have it, the newest last.
    """
    usual = list(before[-NUM_PARTS:])
    if not usual or not found["rows"]:
        return []
    of = "that of the part before" if len(usual) == 1 else f"the median of the {len(usual)} parts before"
    return [f"{text} ({of})." for text in (*_rows(found, usual), *_shares(found, usual), *_means(found, usual))]


def _rows(found: Found, before: Sequence[Found]) -> Iterator[str]:
    usual, here = statistics.median(one["rows"] for one in before), found["rows"]
    if usual and not usual / _ROWS <= here <= usual * _ROWS:
        yield f"{here:,} rows, usually {usual:,.0f}"


def _shares(found: Found, before: Sequence[Found]) -> Iterator[str]:
    names = {(name, kind) for one in (found, *before) for name, kinds in one["counts"].items() for kind in kinds}
    for name, kind in sorted(names):
        others = [one for one in before if _can_tell(one, kind)]
        if not others:
            continue
        usual = statistics.median(_share(one, name, kind) for one in others)
        here = _share(found, name, kind)
        error = math.sqrt(max(usual * (1 - usual), 0.0) / found["rows"])
        if abs(here - usual) > max(_SHARE, _ERRORS * error):
            word = kind.replace("_", " ")
            yield f'"{name}": {percent_text(here)} of the rows {word}, usually {percent_text(usual)}'


def _can_tell(found: Found, kind: str) -> bool:
    """Returns whether a kind of oddity can have been found: what a model has not seen only where there was one."""
    return kind != UNSEEN or bool(found["metrics"])


def _share(found: Found, name: str, kind: str) -> float:
    return found["counts"].get(name, {}).get(kind, 0) / found["rows"] if found["rows"] else 0.0


def _means(found: Found, before: Sequence[Found]) -> Iterator[str]:
    for what, title in (("labels", "label"), ("scores", "score")):
        for task, (here, deviation, count) in found[what].items():
            others = [one[what][task] for one in before if one[what].get(task) is not None]
            if not others:
                continue
            usual = statistics.median(others)
            error = deviation / math.sqrt(count)
            if abs(here - usual) > max(_MEAN * abs(usual), _ERRORS * error):
                yield f'the mean {title} of "{task}" is {number_text(here)}, usually {number_text(usual)}'
