"""`serving_value`: features of rows that are scored read a constant, in the encoder and in the graph alike."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from easymtl.features.shown import shown_features
from tests.features.feature_cases import as_trained, make_batch, make_pipeline, serving_tensors

TYPES = {"user": "STRING", "spot": "INT32", "day": "STRING", "bid": "FLOAT", "far": "DOUBLE", "is_ad": "BOOL"}
TYPES |= {"seen": "STRING", "places": "STRING", "word": "STRING"}
FEATURES = [
    'input_names: "user" hash_bucket_size: 50 embedding_dim: 4',
    'input_names: "spot" num_buckets: 9 embedding_dim: 4',
    'feature_name: "cross" input_names: ["user", "spot"] feature_type: ComboFeature hash_bucket_size: 50 '
    "embedding_dim: 4",
    'input_names: "day" feature_type: TagFeature kv_separator: ":" hash_bucket_size: 20 embedding_dim: 4',
    'input_names: "bid" feature_type: RawFeature boundaries: [1, 2] embedding_dim: 4',
    'input_names: "far" feature_type: RawFeature',
    'input_names: "is_ad" num_buckets: 2 embedding_dim: 4',
    'input_names: "seen" feature_type: SequenceFeature hash_bucket_size: 30 embedding_dim: 4 '
    "sequence_combiner { attention { } }",
    'input_names: "places" feature_type: RawFeature raw_input_dim: 2',
    'input_names: "word" vocab_list: ["a", "b"] embedding_dim: 4',
]
CONSTANTS = {"spot": "3", "day": "mo:2|tu:0.5", "bid": "1.7", "far": "-0.1", "is_ad": "true"}
CONSTANTS |= {"seen": "x|y|z", "places": "4|5", "word": ""}
VALUES = {"spot": 3, "day": "mo:2|tu:0.5", "bid": 1.7, "far": -0.1, "is_ad": True}
VALUES |= {"seen": "x|y|z", "places": "4|5", "word": "b"}
ROWS = {
    "user": ["u", "v", None],
    "spot": [1, 8, None],
    "day": ["a", None, "b|c"],
    "bid": [0.5, None, 9.0],
    "far": [1.0, 2.0, None],
    "is_ad": [False, None, False],
    "seen": ["p|q", None, "r"],
    "places": ["1|2", "3", None],
    "word": ["a", "c", None],
}


@pytest.fixture(scope="module")
def pipeline():
    pipeline = make_pipeline(TYPES, FEATURES)
    for field in pipeline.data_config.input_fields:
        if field.input_name in CONSTANTS:
            field.serving_value = CONSTANTS[field.input_name]
        if field.input_name == "word":
            # The empty serving_value is a missing text: that is this one.
            field.default_val = "b"
    return pipeline


@pytest.fixture(scope="module")
def features(pipeline):
    return FeatureSet(pipeline)


def packed(encoder, batch):
    return to_tensors(encoder(batch))


def assert_equal(left, right):
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], name)


def test_rows_that_are_scored_read_the_constants_and_need_no_columns(pipeline, features):
    constant = make_batch(pipeline, {"user": ROWS["user"], **{name: [value] * 3 for name, value in VALUES.items()}})
    wanted = packed(Encoder(features), constant)
    served = Encoder(features, as_served=True)
    assert served.fields == served.items == features.request_fields == ["user"]
    assert_equal(packed(served, make_batch(pipeline, {"user": ROWS["user"]})), wanted)
    assert_equal(packed(served, make_batch(pipeline, ROWS)), wanted)
    assert_equal(as_trained(features, features.packed({"user": tf.constant(["u", "v", ""])})), wanted)


def test_training_reads_the_data(pipeline, features):
    batch = make_batch(pipeline, ROWS)
    plain = FeatureSet(make_pipeline(TYPES, FEATURES))
    assert set(Encoder(features).fields) == set(TYPES)
    changed = {name: value for name, value in ROWS.items() if name != "word"} | {"word": ["a", "c", "b"]}
    assert_equal(
        packed(Encoder(features), make_batch(pipeline, changed)), packed(Encoder(plain), make_batch(pipeline, changed))
    )
    # A column that is there is read, so that the transform is that of training, too.
    assert_equal(
        as_trained(features, features.packed(serving_tensors(features, batch))),
        packed(Encoder(features), batch.set_column(8, "word", make_batch(pipeline, changed).column("word"))),
    )


def test_what_is_kept_is_the_column_and_not_the_constant(pipeline, features):
    encoder = Encoder(features, keep=["spot"], as_served=True)
    assert encoder.fields == ["user", "spot"]
    rows = encoder(make_batch(pipeline, {"user": ["u", "v"], "spot": [7, 8]}))
    assert rows["keep_spot"].to_pylist() == [7, 8]
    assert_equal(
        to_tensors(rows), packed(Encoder(features, as_served=True), make_batch(pipeline, {"user": ["u", "v"]}))
    )


def test_no_rows_have_no_constants(features):
    empty = features.packed({"user": tf.constant([], tf.string)})
    assert all(tensor.shape[0] == 0 for tensor in empty.values())


def test_outputs_of_features_show_the_constants(features):
    shown = shown_features(features, {"user": tf.constant(["u", "v"])})
    assert shown["feature_spot"].numpy().tolist() == [b"3", b"3"]
    assert shown["feature_seen"].numpy().tolist() == [b"x,y,z"] * 2
    assert shown["feature_bid"].numpy().tolist() == [b"1.7"] * 2


def test_a_number_is_as_the_column_would_hold_it(features):
    assert features.constants["bid"].as_py() == float(np.float32(1.7))
    assert features.constants["spot"] == pa.scalar(3, pa.int32())


def pair(first, second):
    history = "feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 4"
    pipeline = make_pipeline(
        {"key": "STRING", "items": "STRING", "times": "STRING"},
        [
            'input_names: "key" hash_bucket_size: 9 embedding_dim: 4',
            f'input_names: "items" {history}',
            f'input_names: "times" {history}',
        ],
        {"all": ["key"]},
    )
    block = pipeline.model_config.feature_groups[0].sequence_features.add(group_name="h")
    block.seq_att_map.add(key=["key"], hist_seq=["items"], aux_hist_seq=["times"])
    for field, text in zip(pipeline.data_config.input_fields[1:], (first, second)):
        if text is not None:
            field.serving_value = text
    return pipeline


def test_histories_side_by_side_are_constant_together_and_equally_long():
    features = FeatureSet(pair("a|b", "1|2"))
    encoded = packed(Encoder(features, as_served=True), make_batch(pair(None, None), {"key": ["k", "l"]}))
    assert_equal(as_trained(features, features.packed({"key": tf.constant(["k", "l"])})), encoded)
    assert encoded["step_lengths_0"].tolist() == [2, 2]
    for texts, says in ((("a|b", None), '"items" 2, "times" as many as a request holds'), (("a|b", "1"), '"times" 1')):
        with pytest.raises(UserError, match=says):
            FeatureSet(pair(*texts))


def test_some_field_has_to_tell_rows_apart():
    pipeline = make_pipeline({"spot": "INT32"}, ['input_names: "spot" num_buckets: 9 embedding_dim: 4'])
    pipeline.data_config.input_fields[0].serving_value = "1"
    with pytest.raises(UserError, match=r"all fields that features read \(\"spot\"\) have a serving_value"):
        FeatureSet(pipeline)
