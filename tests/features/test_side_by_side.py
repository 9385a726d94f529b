"""The steps of a text as a check counts them are those of the feature."""

import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.features.sequence_feature import SequenceFeature
from easymtl.features.side_by_side import num_steps, uneven
from easymtl.protos.feature_pb2 import FeatureConfig

TEXTS = ["", "7", "7|8", "7||8|", "|", "1;2|3", "1;2|;|", "1|2|3|4|5"]
IDS = "hash_bucket_size: 9"
NUMBERS = "sub_feature_type: RawFeature sequence_length: 2 seq_multi_sep: ';'"
KINDS = [
    IDS,
    f"{IDS} max_seq_len: 3",
    f"{IDS} seq_multi_sep: ';'",
    f"{IDS} separator: '|;'",
    f"{IDS} sequence_length: 1",
    f"{NUMBERS} max_seq_len: 4",
    f"{NUMBERS} boundaries: [1, 2]",
    f"{NUMBERS} num_buckets: 5 max_val: 9",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_counts_as_the_feature_does(kind):
    config = f"input_names: 'h' feature_type: SequenceFeature embedding_dim: 4 {kind}"
    feature = text_format.Parse(config, FeatureConfig())
    transform = SequenceFeature(feature)
    transform.is_side_by_side = True
    found = transform.per_value(0, tf.constant(TEXTS)).lengths
    assert found.numpy().tolist() == [num_steps(feature, text) for text in TEXTS]


def test_the_longer_text_tells_the_row():
    error = uneven({"items": 1, "times": 2}, {"item": "a", "time": "1|2"})
    assert (error.field, error.first) == ("time", "1|2")
    assert 'the history "items" has 1 steps and "times" has 2' in str(error)
