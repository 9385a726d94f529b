"""What requests have in common in several data sets: how many rows they are, when they come, how old who asks is."""

import numpy as np

from easymtl.synth.sampling import Shares

HOURS = Shares([5, 3, 2, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 4, 3, 3, 3, 4, 5, 7, 9, 10, 10, 8])
_AGES = Shares([3, 5, 6, 6, 5, 4, 3, 3, 2, 2, 1, 1])
_NEW_REQUEST = 0.25


def draw_requests(random: np.random.Generator, num_rows: int) -> np.ndarray:
    """Draws the request that each row belongs to, `[num_rows]`: 0, 0, 0, 1, 2, 2 and so on, about four rows each."""
    is_new = random.random(num_rows, dtype=np.float32) < _NEW_REQUEST
    is_new[0] = True
    return np.cumsum(is_new) - 1


def ages_of(hashes: np.ndarray) -> np.ndarray:
    """Turns uint64 hashes into int32 ages of 16 to 63 years."""
    return 16 + 4 * _AGES.of(hashes) + (hashes & np.uint64(3)).astype(np.int32)


def standard_age(age: np.ndarray) -> np.ndarray:
    """Returns ages, centred and scaled."""
    return (age - 34) / 11
