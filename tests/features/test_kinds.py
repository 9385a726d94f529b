"""Bags of several features as one list of entries, as training has them."""

import numpy as np

from easymtl.data.rows import Ragged
from easymtl.features.kinds.bags import BagColumns

# Of two features of three rows; the second has no entry in the first row, and both none in the last.
# Row after row, and in each row feature after feature.
IDS = [11, 12, 13, 105, 106, 105]
SEGMENTS = [0, 0, 2, 3, 3, 3]
WEIGHTS = [1.0, 1.0, 1.0, 0.5, 2.0, -1.0]


def test_training_expands_to_the_same():
    lengths = np.array([[2, 0], [1, 3], [0, 0]], np.int32)
    weights = np.array(WEIGHTS, np.float32)
    tensors = BagColumns.tensors("bags_4", Ragged(np.array(IDS), lengths, weights))
    assert [tensors[f"bag_{name}_4"].tolist() for name in ("ids", "segments", "weights")] == [IDS, SEGMENTS, WEIGHTS]
    assert tensors["bag_segments_4"].dtype == np.int32
    assert "bag_weights_4" not in BagColumns.tensors("bags_4", Ragged(np.array(IDS), lengths))
