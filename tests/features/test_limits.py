"""A few kilobytes of a row or a request do not become gigabytes."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.data.bad_values import BadValues
from easymtl.errors import UserError
from easymtl.features import limits
from easymtl.features.encoder import Encoder
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import make_batch, make_pipeline, serving_tensors

FIELDS = {"a": "STRING", "b": "STRING"}
TABLE = "embedding_dim: 4 hash_bucket_size: 100"
COMBO = (
    'feature_name: "c" input_names: ["a", "b"] feature_type: ComboFeature combo_input_seps: ["|", "|"] '
    "embedding_dim: 4 hash_bucket_size: "
)
HISTORY = f'feature_name: "h" input_names: "a" feature_type: SequenceFeature {TABLE}'
TAGS = f'feature_name: "t" input_names: "a" feature_type: TagFeature {TABLE}'

OTHERS = f'feature_name: "o" input_names: "b" feature_type: TagFeature {TABLE}'


def served(feature, columns):
    """What the exported encoder makes of rows."""
    pipeline = make_pipeline(FIELDS, feature if isinstance(feature, list) else [feature])
    features = FeatureSet(pipeline)
    signature = {name: tf.TensorSpec([None], dtype) for name, dtype in features.field_types.items()}
    packed = tf.function(features.packed, input_signature=[signature], autograph=False)
    return packed(serving_tensors(features, make_batch(pipeline, columns)))


def values(number):
    return "|".join(map(str, range(number)))


def encode(columns, rows=100):
    """What training makes of rows; functions of a table of as many rows are traced once, with their limits."""
    pipeline = make_pipeline(FIELDS, [f"{COMBO}{rows}"])
    return Encoder(FeatureSet(pipeline))(make_batch(pipeline, columns))


def test_as_many_combinations_as_are_possible_are_made(monkeypatch):
    monkeypatch.setattr(limits, "MOST_COMBINATIONS", 12)
    assert len(encode({"a": ["x", values(3)], "b": ["y", values(4)]}, rows=101)["bags_4"].values) == 13
    assert served(f"{COMBO}100", {"a": ["x", values(3)], "b": ["y", values(4)]})["bag_ids"].shape == (2, 1, 12)


def test_a_row_of_more_is_refused_by_its_place_and_may_be_left_out():
    with pytest.raises(BadValues, match=r'of a, b in this row have 250,000 combinations in "c"; 100,000') as error:
        encode({"a": ["x", values(500)], "b": ["y", values(500)]})
    assert error.value.rows.tolist() == [False, True] and error.value.first == values(500)


def test_rows_of_more_together_are_refused(monkeypatch):
    monkeypatch.setattr(limits, "MOST_COMBINATIONS_AT_ONCE", 100)
    with pytest.raises(UserError, match="would make 101 combinations of 2 rows"):
        encode({"a": ["x", values(10)], "b": ["y", values(10)]})
    encode({"a": ["x", values(9)], "b": ["y", values(11)]}, rows=102)


@pytest.mark.parametrize("number", [500, 1 << 17])
def test_a_request_of_more_is_refused(number):
    """Of the larger number, the product is beyond an int32."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="of a row have more than 100,000 combinations in c"):
        served(f"{COMBO}100", {"a": [values(number)], "b": [values(number)]})


@pytest.mark.parametrize("feature, name", [(HISTORY, "history_0_ids"), (TAGS, "bag_ids"), ([TAGS, OTHERS], "bag_ids")])
def test_rows_that_are_padded_to_a_long_one_are_refused(monkeypatch, feature, name):
    rows = {"a": [values(100), *["1"] * 9], "b": ["1"] * 10}
    monkeypatch.setattr(limits, "MOST_PLACES", 1000)
    assert np.prod(served(feature, rows)[name].shape) == (2000 if isinstance(feature, list) else 1000)
    monkeypatch.setattr(limits, "MOST_PLACES", 999)
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows of the request, all as long as the longest list"):
        served(feature, rows)
