"""How many different values a column holds: counted while they are few, and estimated by a sketch beyond.

The sketch keeps the smallest hashes that were seen ("k minimum values": Bar-Yossef et al., Counting distinct elements
in a data stream, 2002): with the k-th smallest at x of the whole range there are about (k - 1) / x different values,
with a relative error of about 1 / sqrt(k).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MOST_COUNTED = 50_000
"""Different values that are counted one by one."""
_SMALLEST_KEPT = 4096
_EXACT = 2.0**53
"""Below it decimals tell all whole numbers apart."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_BASE = np.uint64(0x100000001B3)


class Tally:
    """Counts values, batch by batch.

    Attributes:
        is_exact: whether there are at most `MOST_COUNTED` different values, all of which are counted.
    """

    def __init__(self) -> None:
        self.is_exact = True
        self._parts: list[pa.Table] = []
        self._pending = 0
        self._smallest = np.empty(0, np.uint64)

    def add(self, values: pa.Array, counts: pa.Array) -> None:
        """Adds different values `[n]`, none of them null, and how often each occurs, int64 `[n]`."""
        self._keep_smallest(hashes(values))
        if self.is_exact:
            self._parts.append(pa.table({"value": values, "count": counts}))
            self._pending += len(values)
            if self._pending > 2 * MOST_COUNTED:
                self._merge()

    @property
    def num_distinct(self) -> int:
        """How many different values there are, about."""
        if self.is_exact:
            self._merge()
        if self.is_exact:
            return self._pending
        return round((_SMALLEST_KEPT - 1) / (float(self._smallest[-1]) / 2.0**64))

    def counted(self) -> tuple[pa.Array, np.ndarray]:
        """Returns the different values, the most frequent first, and their counts; none where not all are known."""
        if self.is_exact:
            self._merge()
        if not self.is_exact or not self._parts:
            return pa.array([], pa.string()), np.empty(0, np.int64)
        table = self._parts[0].sort_by([("count", "descending"), ("value", "ascending")])
        return table["value"].combine_chunks(), table["count"].to_numpy()

    @property
    def smallest(self) -> tuple[np.ndarray, np.uint64 | None]:
        """The smallest hashes, and the border up to which they are those of all values; None where they are all."""
        is_full = len(self._smallest) == _SMALLEST_KEPT
        return self._smallest, self._smallest[-1] if is_full else None

    def _merge(self) -> None:
        if not self._parts:
            return
        joined = pa.concat_tables(self._parts).group_by("value").aggregate([("count", "sum")])
        self._pending = joined.num_rows
        self.is_exact = joined.num_rows <= MOST_COUNTED
        self._parts = [joined.rename_columns(["value", "count"])] if self.is_exact else []

    def _keep_smallest(self, found: np.ndarray) -> None:
        if len(self._smallest) == _SMALLEST_KEPT:
            found = found[found < self._smallest[-1]]
        self._smallest = np.unique(np.concatenate([self._smallest, found]))[:_SMALLEST_KEPT]


def hashes(values: pa.Array) -> np.ndarray:
    """Returns hashes of 64 bits `[n]` of texts, whole numbers, decimals, or true and false.

    A whole number has one, however it is held: ids with a missing one among them are written as decimals by pandas.
    """
    if pa.types.is_string(values.type):
        keys = _of_texts(values)
    elif pa.types.is_floating(values.type):
        numbers = np.array(values.to_numpy(zero_copy_only=False), np.float64)
        is_whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
        keys = numbers.view(np.uint64)
        keys[is_whole] = numbers[is_whole].astype(np.int64).view(np.uint64)
    else:
        keys = values.cast(pa.int64()).to_numpy(zero_copy_only=False).view(np.uint64)
    return _mixed(keys)


def _of_texts(values: pa.Array) -> np.ndarray:
    """Returns sum(byte_i * base^i) modulo 2^64 of each text, mixed with its length."""
    lengths = pc.binary_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
    keys = np.zeros(len(values), np.uint64)
    full = np.flatnonzero(lengths)
    if len(full):
        raw = np.frombuffer("".join(values.to_pylist()).encode(), np.uint8)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        places = np.arange(len(raw)) - np.repeat(starts, lengths)
        with np.errstate(over="ignore"):
            powers = np.cumprod(np.full(int(lengths.max()), _BASE, np.uint64))
            keys[full] = np.add.reduceat((raw.astype(np.uint64) + np.uint64(1)) * powers[places], starts[full])
    return keys + lengths.astype(np.uint64)


def _mixed(keys: np.ndarray) -> np.ndarray:
    """Returns keys whose bits all depend on all bits (the finalizer of SplitMix64: Steele et al., 2014)."""
    with np.errstate(over="ignore"):
        keys = keys + _GOLDEN
        keys = (keys ^ (keys >> np.uint64(30))) * _MIX[0]
        keys = (keys ^ (keys >> np.uint64(27))) * _MIX[1]
    return keys ^ (keys >> np.uint64(31))
