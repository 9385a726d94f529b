"""Which part comes next, and why others do not."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from easymtl.checkpoints.parts import Parts
from easymtl.following.layout import Time, is_before, is_behind
from easymtl.following.listing import Listing, Part


@dataclass(frozen=True)
class Bounds:
    """Which parts a user wants.

    Attributes:
        begin: the first one, or the outer folders of it; empty for whatever is there.
        until: the last one, or the outer folders of it; empty for no end.
        trains_late: whether parts that appear when a later one was trained on are trained on, too.
    """

    begin: Time = ()
    until: Time = ()
    trains_late: bool = False


@dataclass(frozen=True)
class Choice:
    """What there is to do.

    Attributes:
        part: what is trained on next; None if there is nothing now.
        is_late: whether it is earlier than one that was trained on.
        waiting: parts that are not complete, and the seconds until each may be; later ones wait for them.
        late: parts that are left out because they are late.
        empty: parts without a file, which are passed over.
        is_over: whether no part up to the last one that is wanted can follow.
    """

    part: Part | None = None
    is_late: bool = False
    waiting: tuple[tuple[Part, float], ...] = ()
    late: tuple[Part, ...] = ()
    empty: tuple[Part, ...] = ()
    is_over: bool = False

    @property
    def seconds(self) -> float:
        """Returns when the first of those that are waited for may be complete; infinity without any."""
        return min((left for _, left in self.waiting), default=math.inf)


def choose(
    listing: Listing,
    trained: Parts | None,
    bounds: Bounds,
    left: Callable[[Part], float],
    passed: Collection[tuple[str, str]] = (),
) -> Choice:
    """Returns the earliest part that is complete and was not trained on, if none before it is still being written.

    A late part that is still being written lets others go first: its place in the order is lost already.

    Args:
        listing: what is there.
        trained: what was trained on.
        bounds: what is wanted.
        left: the seconds until a part is complete, 0 if it is.
        passed: name and mark of parts of which not one row can be used, as they were.
    """
    done = {part.name for part in trained.trained} if trained else set()
    newest = trained.newest if trained else None
    floor = trained.floor if trained else ()
    waiting: list[tuple[Part, float]] = []
    late: list[Part] = []
    empty: list[Part] = []
    chosen, is_chosen_late = None, False
    for part in listing.parts:
        is_late = newest is not None and part.time < newest
        if part.text in done or _is_unwanted(part, bounds, floor) or (part.text, part.mark) in passed:
            continue
        seconds = left(part)
        if not part.num_bytes and not seconds:
            empty.append(part)
        elif is_late and not bounds.trains_late:
            late += [part] if part.num_bytes else []
        elif chosen or (waiting and not _all_late(waiting, newest)):
            continue
        elif seconds:
            waiting.append((part, seconds))
        else:
            chosen, is_chosen_late = part, is_late
    is_over = not chosen and not waiting and _has_passed(listing, newest, bounds.until)
    return Choice(chosen, is_chosen_late, tuple(waiting), tuple(late), tuple(empty), is_over)


def _is_unwanted(part: Part, bounds: Bounds, floor: Time) -> bool:
    is_early = bool(bounds.begin) and is_before(part.time, bounds.begin)
    return is_early or (bool(bounds.until) and is_behind(part.time, bounds.until)) or part.time <= floor


def _all_late(waiting: Collection[tuple[Part, float]], newest: Time | None) -> bool:
    return all(newest is not None and part.time < newest for part, _ in waiting)


def _has_passed(listing: Listing, newest: Time | None, until: Time) -> bool:
    """Returns whether the last wanted part was trained on, or a later one is there."""
    if not until:
        return False
    times = [part.time for part in listing.parts if part.num_bytes]
    return newest == until or any(is_behind(time, until) for time in (*times, *([newest] if newest else [])))
