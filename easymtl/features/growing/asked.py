"""The ids that a batch asks the rows of, each once."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from easymtl.features.growing.key_map import MISSING


class Asked(NamedTuple):
    """Distinct ids.

    Attributes:
        keys: int64 `[distinct]`, in the order in which they first come, without MISSING.
        counts: int64 `[distinct]`, how often each comes.
        places: int `[n]`, of which of them each value is; one behind the last for MISSING.
    """

    keys: np.ndarray
    counts: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray) -> "Asked":
        """Returns the ids of values int64 `[n]`."""
        is_missing = keys == MISSING
        encoded = pa.array(keys, pa.int64(), mask=is_missing if is_missing.any() else None).dictionary_encode()
        distinct, indices = encoded.dictionary.to_numpy(), encoded.indices
        places = (indices.fill_null(len(distinct)) if indices.null_count else indices).to_numpy()
        return cls(distinct, np.bincount(places, minlength=len(distinct))[: len(distinct)], places)

    @property
    def num_values(self) -> int:
        """Returns how many values there are, without missing ones."""
        return int(self.counts.sum())

    def spread(self, rows: np.ndarray) -> np.ndarray:
        """Returns the rows of all values, int32 `[n]`, given those of the ids; -1 for MISSING."""
        return np.append(rows, np.int32(-1))[self.places]
