"""The order of rows, a pure function of seed, epoch and position."""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

_ODD_NUMBER = np.uint64(0x9E3779B97F4A7C15)
_LOW_BITS = 33


@dataclass(frozen=True, order=True)
class Cursor:
    """A position in the data, in the order in which a feed reads it.

    Attributes:
        epoch: passes over the data before this one.
        block: place in the permuted list of blocks, of the first block of the window.
        chunk: place in this block of the first record batch of the window.
        row: rows of the (permuted) window that are already consumed.
    """

    epoch: int = 0
    block: int = 0
    chunk: int = 0
    row: int = 0

    def to_dict(self) -> dict[str, int]:
        """Returns the four numbers by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, numbers: dict[str, int]) -> "Cursor":
        """Returns the cursor of `to_dict`."""
        return cls(numbers["epoch"], numbers["block"], numbers["chunk"], numbers["row"])


@dataclass(frozen=True)
class Share:
    """What one of several readers reads: together they read each row once.

    Attributes:
        index: which reader this is, from 0.
        size: how many there are.
    """

    index: int = 0
    size: int = 1

    def of(self, items: np.ndarray) -> np.ndarray:
        """Returns every `size`th of things in an order, from number `index` on."""
        return items[self.index :: self.size]

    def of_keys(self, keys: np.ndarray) -> np.ndarray:
        """Returns the places of the things of a share, those of one key together, given int64 keys `[n]`."""
        # Keys may be numbers that are all even, or all below a thousand: the high bits of a product are of all of them.
        mixed = keys.view(np.uint64) * _ODD_NUMBER >> np.uint64(_LOW_BITS)
        return np.flatnonzero(mixed % np.uint64(self.size) == self.index)

    def run_of(self, place: int) -> int:
        """Returns the run that a thing of this share belongs to: a batch is of one run. All things are one here.

        Args:
            place: of the thing in this share.
        """
        return 0


WHOLE = Share()


@dataclass(frozen=True)
class ShareOfRuns(Share):
    """Every `size`th run of things that stand one behind the other, so that what is made of runs can be put in order.

    Attributes:
        runs: the number of the run of each thing: 0 for the first ones, 1 for those behind them, and so on.
    """

    runs: tuple[int, ...] = ()

    def of(self, items: np.ndarray) -> np.ndarray:
        """Returns the things of every `size`th run, from run `index` on."""
        return items[self._is_own]

    def run_of(self, place: int) -> int:
        """Returns the number of the run of a thing of this share."""
        return int(self._own_runs[place])

    @cached_property
    def _is_own(self) -> np.ndarray:
        return np.array(self.runs, np.int64) % self.size == self.index

    @cached_property
    def _own_runs(self) -> np.ndarray:
        return self.of(np.array(self.runs, np.int64))


def permutation(size: int, *key: int) -> np.ndarray:
    """Returns a permutation `[size]` that depends on nothing but `size` and the whole numbers of `key`.

    It sorts raw random bits, which NumPy keeps the same from version to version, as its `permutation` is not
    (NEP 19): a checkpoint finds the order that it was written under.
    """
    entropy = [number % 2**64 for number in key]
    return ascending(np.random.Philox(np.random.SeedSequence(entropy)).random_raw(size))


def ascending(numbers: np.ndarray) -> np.ndarray:
    """Returns the places of numbers `[n]` in ascending order, those of equal ones as they stand."""
    # NumPy's default is several times as fast, and leaves the order of equal ones open: of random bits there are none.
    order = np.argsort(numbers)
    ordered = numbers[order]
    return np.argsort(numbers, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order
