"""What a row of a growing table begins with when another id has had it."""

import numpy as np
import tensorflow as tf

_MOST_PLACES = 1 << 16


class InitialRows:
    """Initial values that are a function of (seed, table, row, generation).

    They are drawn as those of a new table are, once for `2^16` places or as many as the table has rows; row and
    generation choose the place. So a row that is given away again begins as any row may begin, and nothing has to be
    remembered of it but how often that was.
    """

    def __init__(self, drawn: tf.Tensor):
        """Takes the values.

        Args:
            drawn: float32 `[places, width]`, see `num_places`.
        """
        self._drawn = drawn.numpy()

    def __call__(self, rows: np.ndarray, generations: np.ndarray) -> np.ndarray:
        """Returns the values of rows `[n]` that so many ids have had before, float32 `[n, width]`."""
        mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed += generations.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        return self._drawn[(mixed >> np.uint64(32)) % np.uint64(len(self._drawn))]


def num_places(num_rows: int) -> int:
    """Returns for how many places values are drawn."""
    return min(num_rows, _MOST_PLACES)
