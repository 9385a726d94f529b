"""Numbers as people read them."""

import math
from collections.abc import Collection
from itertools import islice

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def number_text(value: float) -> str:
    """Returns a metric or loss with about five digits: `0.71234`, `3.0476`, `12,345`, `1.20e-05`, `nan`."""
    if not math.isfinite(value):
        return str(float(value))
    size = abs(value)
    if size == 0:
        return "0"
    if size < 5e-4 or size >= 1e9:
        return f"{value:.2e}"
    decimals = 5 if size < 1 else max(4 - int(math.log10(size)), 0)
    return f"{value:,.{decimals}f}"


def percent_text(share: float) -> str:
    """Returns a share as `2 %`, small ones as `0.03 %`."""
    percent = 100.0 * share
    if percent == 0 or percent >= 9.95:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2g} %"


def seconds_text(seconds: float) -> str:
    """Returns a duration as `0:15`, `12:03` or `3:05:09`."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bytes_text(size: int) -> str:
    """Returns a number of bytes as `512 B`, `1.5 KiB` or `20 GiB`."""
    power = min(int(math.log2(size) // 10), len(_UNITS) - 1) if size > 0 else 0
    value = size / 1024**power
    return f"{value:.1f} {_UNITS[power]}" if power and value < 10 else f"{value:.0f} {_UNITS[power]}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns `1 row`, `1,200 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def folded(names: Collection[str], rest: str = "", limit: int = 6) -> str:
    """Returns `a, b, c`; of a long list its beginning, `a, b, ... and 33 more`, and where the rest is.

    Args:
        names: what is listed.
        rest: where all of them are, such as "all on the page"; may be empty.
        limit: of what is shown; a list that is longer by one is shown whole.
    """
    if len(names) <= limit + 1:
        return ", ".join(names)
    where = f" ({rest})" if rest else ""
    return f"{', '.join(islice(names, limit))} ... and {len(names) - limit:,} more{where}"
