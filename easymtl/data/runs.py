"""Runs of values that are taken as a whole, as the values of a row are: Arrow copies them, in one pass and unlocked."""

import math

import numpy as np
import pyarrow as pa


class Runs:
    """The values of rows that have any number of them, one row behind the other.

    To Arrow the values of a row are a piece of bytes: no position of a single value is computed.
    """

    def __init__(self, values: np.ndarray, starts: np.ndarray):
        """Copies neither.

        Args:
            values: `[m, ...]`.
            starts: `[n + 1]` int64, ascending: where the run of each row starts, and the end of the last.
        """
        self._dtype, self._shape = values.dtype, values.shape[1:]
        size = values.itemsize * math.prod(self._shape)
        buffers = [None, pa.py_buffer(starts * size), pa.py_buffer(np.ascontiguousarray(values))]
        self._runs = pa.Array.from_buffers(pa.large_binary(), len(starts) - 1, buffers)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Returns the values of some rows, in their order; they cannot be written to."""
        _, offsets, values = self._runs.take(pa.array(rows)).buffers()
        num_bytes = int(np.frombuffer(offsets, np.int64, 1, 8 * len(rows))[0]) if len(rows) else 0
        if not num_bytes:
            return np.empty((0, *self._shape), self._dtype)
        return np.frombuffer(values, np.uint8, num_bytes).view(self._dtype).reshape(-1, *self._shape)
