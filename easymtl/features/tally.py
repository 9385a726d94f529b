"""What was odd in rows, told with them as they travel to a step, and counted where they are used."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from easymtl.data.pieces import SKIPPED
from easymtl.data.rows import TOLD, Ragged, Rows

ODDITIES = f"{TOLD}oddities"
"""The codes of what was odd in each row, a bag for each; its weights are how often, None where each is once."""


class Codes:
    """A number for each kind of oddity of each feature; may be asked by several threads at once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def of(self, feature: str, kind: str) -> int:
        """Returns the code of a kind of oddity, such as "missing", of a feature."""
        with self._lock:
            return self._numbers.setdefault((feature, kind), len(self._numbers))

    def known(self) -> list[tuple[str, str]]:
        """Returns feature and kind of each code, in the order of the codes."""
        with self._lock:
            return list(self._numbers)


class Found(NamedTuple):
    """How often a kind of oddity occurs in each row.

    Attributes:
        code: of the feature and kind.
        numbers: `[n]`.
    """

    code: int
    numbers: np.ndarray


def pack_oddities(found: Sequence[Found], num_rows: int) -> Ragged:
    """Returns what was found in rows as one bag for each; rows without any cost four bytes."""
    parts = [(code, rows, numbers[rows]) for code, numbers in found for rows in [np.flatnonzero(numbers)] if len(rows)]
    lengths = np.zeros(num_rows, np.int32)
    for _, rows, _ in parts:
        lengths[rows] += 1
    ends = np.cumsum(lengths, dtype=np.int64)
    free = ends - lengths
    total = int(ends[-1]) if num_rows else 0
    codes, times = np.empty(total, np.int32), np.ones(total, np.float32)
    for code, rows, numbers in parts:
        places = free[rows]
        codes[places], times[places] = code, numbers
        free[rows] += 1
    return Ragged(codes, lengths[:, None], None if (times == 1).all() else times)


class Tally:
    """Counts of rows that were used, each as often as it was used.

    Attributes:
        skipped_rows: rows that `data_config.ignore_error` left out on the way to them.
    """

    def __init__(self, codes: Codes | None):
        """Counts nothing yet.

        Args:
            codes: of the encoder of the rows; None for one that tells nothing of them.
        """
        self.skipped_rows = 0
        self._codes = codes
        self._numbers = np.zeros(0, np.int64)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Returns feature -> kind of oddity ("missing", "unknown", "out_of_range", ...) -> rows; for tags, tags.

        "missing" is an empty value or NaN; "unpaired" a tag without a weight or the reverse; "surplus" a number beyond
        `raw_input_dim`; "not_finite" what scaling made of a number.
        """
        counts: dict[str, dict[str, int]] = {}
        for code, (feature, kind) in enumerate(self._codes.known() if self._codes else ()):
            number = int(self._numbers[code]) if code < len(self._numbers) else 0
            counts.setdefault(feature, {})[kind] = number
        return counts

    def add(self, rows: Rows) -> None:
        """Counts rows that have been used."""
        if SKIPPED in rows.columns:
            self.skipped_rows += int(np.asarray(rows[SKIPPED]).sum(dtype=np.int64))
        if ODDITIES not in rows.columns:
            return
        told = rows[ODDITIES]
        assert isinstance(told, Ragged)
        numbers = np.bincount(np.asarray(told.values), told.weights, minlength=len(self._numbers)).astype(np.int64)
        numbers[: len(self._numbers)] += self._numbers
        self._numbers = numbers


def added(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Returns the sums of several `Tally.counts`."""
    result: dict[str, dict[str, int]] = {}
    for counts in parts:
        for feature, kinds in counts.items():
            of_feature = result.setdefault(feature, {})
            for kind, number in kinds.items():
                of_feature[kind] = of_feature.get(kind, 0) + number
    return result
