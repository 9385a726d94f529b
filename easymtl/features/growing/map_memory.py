"""How many ids a map, or an owner's part of it, has to have room for, and the bytes that it takes."""

import math

from easymtl.features.growing.candidates import BY_ROW, bytes_of_candidates
from easymtl.features.growing.free_rows import BYTES_OF_FREE_ROW
from easymtl.features.growing.records import bytes_of_records
from easymtl.protos.feature_pb2 import Growing

_BYTES_OF_COLUMNS = 4 + 4 + 4


def most_rows(settings: Growing, num_owners: int = 1) -> int:
    """Returns how many rows an owner's ids have at most."""
    return _part_of(settings.max_rows + 1, num_owners)


def most_candidates(settings: Growing, num_owners: int = 1) -> int:
    """Returns how many ids without rows an owner counts at most."""
    return _part_of(BY_ROW * (settings.max_rows + 1), num_owners)


def bytes_of_ids(settings: Growing, num_owners: int = 1) -> int:
    """Returns the bytes that the map of a table takes at most, or an owner's part of it."""
    size = bytes_of_records(most_rows(settings, num_owners), _BYTES_OF_COLUMNS)
    if settings.expire_after_steps or settings.expire_after_days:
        size += BYTES_OF_FREE_ROW * -(-settings.max_rows // num_owners)
    if settings.admit_after > 1:
        size += bytes_of_candidates(most_candidates(settings, num_owners))
    return size


def _part_of(number: int, num_owners: int) -> int:
    """Returns an even part and a little more, as sure as a hash is even: what others have had finds room in it."""
    if num_owners == 1:
        return number
    part = -(-number // num_owners)
    return min(number, part + 8 * math.isqrt(part) + 64)
