"""Folders that are called by a time, and the order in which they come.

There are `dt=2026-01-02/hour=03`, `dt=2026-01-02`, `date=20260102`, `20260102`, `2026-01-02` and `2026/01/02`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from easymtl.errors import UserError

Time = tuple[int, ...]
"""Year, month, day, hour ..., as far as the folders tell them; parts are ordered by it."""

_KEYED = re.compile(r"^([^=]+)=(.*)$", re.DOTALL)
_VALUE = re.compile(r"^\d(?:[\d\-_:.T ]*\d)?$")
_BARE = re.compile(r"^\d{4}(?:[\-_.]?\d{2}){0,5}(?:T\d{2,6})?$")
_INNER = re.compile(r"^\d{1,2}$")
_FEWEST_DIGITS = 6
"""Of a value that is a time whatever its key is called."""
_KEYS = frozenset(
    [
        *("dt", "date", "day", "ds", "pt", "p_date", "p_hour", "event_date", "event_hour", "ts", "time", "timestamp"),
        *("datetime", "year", "y", "month", "mon", "m", "d", "week", "hour", "hr", "h", "hh", "minute", "min", "mm"),
    ]
)


@dataclass(frozen=True)
class PartName:
    """What the folders of a part say.

    Attributes:
        folders: their names, the outer one first.
        keys: of each folder what stands before its `=`; empty for a bare time.
        time: by which it is ordered.
    """

    folders: tuple[str, ...]
    keys: tuple[str, ...]
    time: Time

    @property
    def text(self) -> str:
        """Returns how the part is called: `dt=2026-01-02/hour=03`."""
        return "/".join(self.folders)


def part_name(folders: Sequence[str]) -> PartName | None:
    """Returns the part that a file in some folders belongs to: the folders from the first on that are times.

    Args:
        folders: the names between the folder of all parts and the file.

    Returns:
        None where the first one is no time.
    """
    keys: list[str] = []
    time: list[int] = []
    for folder in folders:
        found = _time_of(folder, keys)
        if found is None:
            break
        keys.append(found[0])
        time += found[1]
    return PartName(tuple(folders[: len(keys)]), tuple(keys), tuple(time)) if keys else None


def _time_of(folder: str, outer: Sequence[str]) -> tuple[str, list[int]] | None:
    """Returns the key and the numbers of a folder that is a time, `outer` being the keys of those around it."""
    match = _KEYED.match(folder)
    key, text = (unquote(match[1]), unquote(match[2])) if match else ("", folder)
    if match:
        if not _VALUE.match(text):
            return None
        is_date = not outer and sum(letter.isdigit() for letter in text) >= _FEWEST_DIGITS
        return (key, _numbers(text)) if key.lower() in _KEYS or is_date else None
    allowed = _BARE if not outer else _INNER
    return (key, _numbers(text)) if allowed.match(text) and not any(outer) else None


def _numbers(text: str) -> list[int]:
    """Returns `2026-01-02`, `20260102` and `2026_1_2` as 2026, 1, 2: so that they are in order whoever wrote them."""
    first, *others = re.findall(r"\d+", text)
    if len(first) < _FEWEST_DIGITS:
        return [int(run) for run in (first, *others)]
    pairs = [first[4:][place : place + 2] for place in range(0, len(first) - 4, 2)]
    return [int(run) for run in (first[:4], *pairs, *others)]


def require_one_layout(names: Sequence[PartName], root: str) -> None:
    """Checks that all parts are called by the same keys: else their times cannot be compared.

    Raises:
        UserError: they are not.
    """
    first = names[0] if names else None
    other = next((name for name in names if first and name.keys != first.keys), None)
    if first and other:
        raise UserError(
            f'{root}: the parts are laid out in two ways, such as "{first.text}" and "{other.text}", whose times '
            "cannot be compared. Name those of one way by a pattern in train_input_path, such as "
            f"{root}/{pattern_of(first)}, and move files that lie beside inner folders into one of these."
        )


def pattern_of(name: PartName) -> str:
    """Returns what the layout of a part looks like: `dt=*/hour=*`, `*/*`."""
    return "/".join(f"{key}=*" if key else "*" for key in name.keys)


def described(name: PartName) -> str:
    """Returns a layout in words: `dt=*/hour=*, ordered by dt, then hour`."""
    keys = [key for key in name.keys if key]
    order = f"ordered by {', then '.join(keys)}" if keys else "ordered by the times in their names"
    return f"{pattern_of(name)} ({order})"


def bound_of(text: str, option: str) -> Time:
    """Returns the time that a user names a part by: a part, its outer folders alone, or their values alone.

    Args:
        text: `dt=2026-01-02/hour=03`, `dt=2026-01-02`, `2026-01-02/03`, `20260102`.
        option: that says it.

    Raises:
        UserError: it is no time.
    """
    values = [unquote(folder.partition("=")[2] or folder) for folder in text.strip("/").split("/")]
    if not all(map(_VALUE.match, values)):
        raise UserError(
            f'{option}: "{text}" is no time. Name a part as its folders are called, such as dt=2026-01-02/hour=03, or '
            "the outer ones of these, such as 2026-01-02."
        )
    return tuple(number for value in values for number in _numbers(value))


def is_before(time: Time, bound: Time) -> bool:
    """Returns whether a part is earlier than a bound, which may name a whole day of hours."""
    return time[: len(bound)] < bound


def is_behind(time: Time, bound: Time) -> bool:
    """Returns whether a part is later than a bound, which may name a whole day of hours."""
    return time[: len(bound)] > bound
