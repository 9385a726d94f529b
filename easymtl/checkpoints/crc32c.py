"""The checksum that TensorFlow keeps of each tensor in a file, CRC-32C (Castagnoli), of data of any size.

CRCs are linear: that of bytes is what zeros of their length make of the state before, xor what they make of zero. So
the parts of a block are taken side by side, four bytes of each at a time, and joined pair by pair.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_MOST_LANES = 1 << 15
_WORD = 4

Columns = Sequence[int]
"""Of a linear map of states: what becomes of each of the 32 bits."""


def crc32c(data: bytes | np.ndarray, before: int = 0) -> int:
    """Returns the CRC-32C of bytes behind others whose CRC-32C is `before`."""
    array = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1).view(np.uint8)
    state = _mapped(_zeros(len(array)), np.array([before ^ _ONES], np.uint32))[0]
    return int(state) ^ _of_zero(array) ^ _ONES


def masked(crc: int) -> int:
    """Returns a checksum as TensorFlow stores it beside the data that it is of."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _ONES


def _of_zero(data: np.ndarray) -> int:
    """Returns what bytes `[n]` make of the state 0."""
    words = -(-len(data) // _WORD)
    lanes = 1 << max(min(words, _MOST_LANES).bit_length() - 1, 0)
    steps = -(-words // lanes)
    # Zeros in front leave the state 0 as it is.
    padded = np.zeros(lanes * steps * _WORD, np.uint8)
    padded[len(padded) - len(data) :] = data
    low, high = _tables()
    states = np.zeros(lanes, np.uint32)
    for word in np.ascontiguousarray(padded.view("<u4").reshape(lanes, steps).T):
        states ^= word
        states = low[states & 0xFFFF] ^ high[states >> 16]
    columns = _zeros(steps * _WORD)
    while len(states) > 1:
        states = _mapped(columns, states[::2]) ^ states[1::2]
        columns = _twice(columns)
    return int(states[0]) if steps else 0


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Returns what four zero bytes make of the lower, and of the upper 16 bits of a state, uint32 `[65536]` each."""
    columns = _zeros(_WORD)
    halves = np.arange(1 << 16, dtype=np.uint32)
    return _mapped(columns, halves), _mapped(columns, halves << 16)


def _zeros(number: int) -> Columns:
    """Returns what so many zero bytes make of a state."""
    found: Columns = [1 << bit for bit in range(32)]
    # One bit, and so many times twice as many.
    power: Columns = [_POLYNOMIAL if bit == 0 else 1 << (bit - 1) for bit in range(32)]
    left = 8 * number
    while left:
        if left & 1:
            found = _mapped(power, np.array(found, np.uint32)).tolist()
        power = _twice(power)
        left >>= 1
    return found


def _twice(columns: Columns) -> Columns:
    """Returns a map done twice."""
    return _mapped(columns, np.array(columns, np.uint32)).tolist()


def _mapped(columns: Columns, states: np.ndarray) -> np.ndarray:
    """Returns what a map makes of states uint32 `[n]`."""
    result = np.zeros_like(states)
    for bit, column in enumerate(columns):
        result ^= np.where(states >> bit & 1, np.uint32(column), np.uint32(0))
    return result
