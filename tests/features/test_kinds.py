"""Bags of several features as one list of entries, in TensorFlow and in NumPy alike."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.data.rows import Ragged
from easymtl.features.kinds.bags import BagColumns, interleave
from easymtl.features.pieces import Bags

# Two features of three rows; the second has weights, its first row no entry, and the last row of both is empty.
PLAIN = [[1, 2], [3], []]
WEIGHTED = [[], [(5, 0.5), (6, 2.0), (5, -1.0)], []]
OFFSETS = [10, 100]
# Row after row, and in each row feature after feature.
IDS = [11, 12, 13, 105, 106, 105]
SEGMENTS = [0, 0, 2, 3, 3, 3]
WEIGHTS = [1.0, 1.0, 1.0, 0.5, 2.0, -1.0]


def bags_of(rows: list[list], is_weighted: bool) -> Bags:
    entries = [entry for row in rows for entry in row]
    ids = [entry[0] if is_weighted else entry for entry in entries]
    weights = tf.constant([entry[1] for entry in entries], tf.float32) if is_weighted else None
    return Bags(tf.constant(ids, tf.int64), tf.constant([len(row) for row in rows], tf.int64), weights, {})


@pytest.mark.parametrize("is_weighted", [False, True])
def test_entries_lie_row_by_row_and_feature_by_feature(is_weighted):
    bags = [bags_of(PLAIN, False), bags_of(WEIGHTED, True)]
    ids, segments, weights = interleave(bags, OFFSETS, is_weighted)
    assert ids.numpy().tolist() == IDS
    assert segments.numpy().tolist() == SEGMENTS
    assert (ids.dtype, segments.dtype) == (tf.int64, tf.int32)
    assert (weights.numpy().tolist() if is_weighted else weights) == (WEIGHTS if is_weighted else None)


def test_the_order_of_features_is_the_order_within_a_row():
    ids, segments, weights = interleave([bags_of(WEIGHTED, True), bags_of(PLAIN, False)], OFFSETS[::-1], True)
    assert ids.numpy().tolist() == [11, 12, 105, 106, 105, 13]
    assert segments.numpy().tolist() == [1, 1, 2, 2, 2, 3]
    assert weights.numpy().tolist() == [1.0, 1.0, 0.5, 2.0, -1.0, 1.0]


def test_no_entry_at_all():
    for rows in ([[], []], []):
        ids, segments, weights = interleave([bags_of(rows, False)] * 2, OFFSETS, True)
        assert ids.shape == segments.shape == weights.shape == [0]


def test_training_expands_to_the_same():
    lengths = np.array([[2, 0], [1, 3], [0, 0]], np.int32)
    weights = np.array(WEIGHTS, np.float32)
    tensors = BagColumns.tensors("bags_4", Ragged(np.array(IDS), lengths, weights))
    assert [tensors[f"bag_{name}_4"].tolist() for name in ("ids", "segments", "weights")] == [IDS, SEGMENTS, WEIGHTS]
    assert tensors["bag_segments_4"].dtype == np.int32
    assert "bag_weights_4" not in BagColumns.tensors("bags_4", Ragged(np.array(IDS), lengths))
