"""Sizes and speeds as people write them: `10Gbit`, `12.5 GB/s`, `32GiB`."""

import math
import re

from easymtl.errors import UserError

_FORM = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)(bit|b|B)?(?:/s|ps)?\s*$", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_BITS = 8


def read_bandwidth(text: str) -> float:
    """Returns bytes per second; `Gbit` and `Gb` are bits, `GB` are bytes, `GiB` are 2^30.

    Raises:
        UserError: it is none.
    """
    value, is_bits = _read(text)
    if value is None or is_bits is None:
        raise UserError(
            f'--bandwidth "{text}" is no speed above 0 with its unit: write 10Gbit (bits a second) or 1.25GB (bytes a '
            "second)."
        )
    return value / _BITS if is_bits else value


def read_size(text: str, flag: str = "--memory") -> int:
    """Returns bytes.

    Args:
        text: as written.
        flag: where.

    Raises:
        UserError: it is none.
    """
    value, is_bits = _read(text)
    if value is None or is_bits is not False or "/" in text or "ps" in text.lower():
        raise UserError(f'{flag} "{text}" is no size above 0 with its unit: write 64GiB or 64GB.')
    return int(value)


def _read(text: str) -> tuple[float | None, bool | None]:
    """Returns the number without its unit's prefix, and whether it counts bits; None for what is not said."""
    match = _FORM.match(text)
    if not match:
        return None, None
    number, prefix, binary, unit = match.groups()
    value = float(number) * (1024 if binary else 1000) ** _POWERS[prefix.lower()]
    if not 0 < value < math.inf:
        return None, None
    if unit is None:
        return value, None
    return value, unit != "B"
