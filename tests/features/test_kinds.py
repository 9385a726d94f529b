"""What the kinds of columns make of their features: bags as one list of entries, histories in their layout."""

import numpy as np
import tensorflow as tf

from easymtl.data.rows import Ragged
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds.bags import BagColumns
from easymtl.features.kinds.steps import StepColumns
from easymtl.layers.steps import Rectangle, Segments
from tests.features.feature_cases import make_pipeline

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


def test_a_history_has_the_layout_of_its_vectors():
    history = 'input_names: "h" feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 2'
    features = FeatureSet(make_pipeline({"h": "STRING"}, [history], {"all": ["h"]}))
    (columns,) = [columns for columns in features.layout.columns.values() if isinstance(columns, StepColumns)]
    segments = columns.steps(columns.made_up(3, 1, num_steps=2))
    assert isinstance(segments, Segments)
    vectors = {columns.name: tf.ones([3, 2, 2]), f"step_lengths_{columns.key}": tf.constant([2, 1, 0])}
    rectangle = columns.steps(vectors)
    assert isinstance(rectangle, Rectangle)
    np.testing.assert_array_equal(rectangle.sum(rectangle.flat), [[2, 2], [1, 1], [0, 0]])
