import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.features.hashing import hash_together, hashed_features
from easymtl.features.pieces import Ids
from tests.features.feature_cases import make_pipeline

FIELDS = {"text": "STRING", "number": "INT64", "real": "DOUBLE", "word": "STRING"}


@pytest.fixture
def columns() -> dict[str, tf.Tensor]:
    return {
        "text": tf.constant(["", "a", "你好", "x" * 1000]),
        "number": tf.constant([0, -1, 2**62, 7], tf.int64),
        "real": tf.constant([float("nan"), 0.125, -3.0, 1e9], tf.float64),
        "word": tf.constant(["a", "b", "", "z"]),
    }


def make_features() -> FeatureSet:
    table = "embedding_dim: 4 hash_bucket_size"
    return FeatureSet(
        make_pipeline(
            FIELDS,
            [
                f'input_names: "text" {table}: 1',
                f'input_names: "number" {table}: 1000003',
                f'input_names: "real" precision: 2 {table}: {2**40}',
                'input_names: "word" embedding_dim: 4 vocab_list: ["a", "b"]',
            ],
            {"all": ["text", "number", "real", "word"]},
        )
    )


def test_features_hashed_together_are_hashed_as_each_alone(columns):
    transforms = make_features().transforms
    hashed = hashed_features(transforms)
    assert list(hashed) == ["text", "number", "real"], "a vocabulary hashes nothing"
    found = hash_together(hashed, columns)
    for name, feature in hashed.items():
        alone = feature([columns[name]])
        assert isinstance(alone, Ids)
        np.testing.assert_array_equal(found[name].ids, alone.ids, err_msg=name)
    assert found["text"].ids.numpy().tolist() == [-1, 0, 0, 0]
    assert found["real"].ids.numpy()[0] == -1


def test_no_feature_and_no_row(columns):
    hashed = hashed_features(make_features().transforms)
    assert hash_together({}, columns) == {}
    none = hash_together(hashed, {name: column[:0] for name, column in columns.items()})
    assert all(piece.ids.shape == [0] for piece in none.values())
