"""What features have read, as text."""

import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.config.feature_outputs import feature_outputs
from easymtl.features.feature_set import FeatureSet
from easymtl.features.shown import shown_features
from easymtl.protos.pipeline_pb2 import Pipeline

CONFIG = """
data_config {
  %s
}
feature_config { features { %s } }
model_config { feature_groups { group_name: "all" feature_names: "f" } dbmtl {} }
"""


def shown(feature, **columns):
    types = {tf.string: "STRING", tf.int64: "INT64", tf.float32: "FLOAT", tf.float64: "DOUBLE"}
    tensors = {name: tf.constant(column) for name, column in columns.items()}
    fields = " ".join(
        f'input_fields {{ input_name: "{name}" input_type: {types[one.dtype]} }}'.replace("INT32", "INT64")
        for name, one in tensors.items()
    )
    names = ", ".join(f'"{name}"' for name in columns)
    text = CONFIG % (fields, f'feature_name: "f" input_names: [{names}] {feature}')
    pipeline = text_format.Parse(text, Pipeline())
    found = shown_features(FeatureSet(pipeline), tensors)
    assert list(found) == feature_outputs(pipeline.feature_config.features[0], "f")
    return {name.removeprefix("feature_"): [text.decode() for text in values.numpy()] for name, values in found.items()}


@pytest.mark.parametrize(
    "feature, columns, texts",
    [
        ("feature_type: IdFeature hash_bucket_size: 9 embedding_dim: 2", {"a": ["x", ""]}, {"f": ["x", ""]}),
        (
            "feature_type: IdFeature hash_bucket_size: 9 embedding_dim: 2 precision: 2",
            {"a": [0.5, float("nan")]},
            {"f": ["0.50", ""]},
        ),
        ("feature_type: RawFeature min_val: 0 max_val: 10", {"a": [5.0, 7.0]}, {"f": ["0.5", "0.7"]}),
        (
            "feature_type: RawFeature boundaries: [0.5] embedding_dim: 2 normalizer_fn: 'sqrt'",
            {"a": ["4", "0.25"]},
            {"f": ["2", "0.5"]},
        ),
        ("feature_type: RawFeature raw_input_dim: 2 embedding_dim: 2", {"a": ["1|2", "3"]}, {"f": ["1,2", "3,0"]}),
        (
            "feature_type: ExprFeature expression: 'a > b' boundaries: [0.5] embedding_dim: 2",
            {"a": [1.0, 3.0], "b": ["2", "2"]},
            {"f": ["0", "1"]},
        ),
        (
            "feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 2 kv_separator: ':'",
            {"a": ["x:2||y", ""]},
            {"f": ["x,y", ""], "f_w": ["2,1", ""]},
        ),
        (
            "feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 2 seq_multi_sep: ';'",
            {"a": ["|x;y", ""]},
            {"f": [",x;y", ""]},
        ),
        (
            "feature_type: ComboFeature hash_bucket_size: 9 embedding_dim: 2 combo_input_seps: ['', '|']",
            {"a": ["x", "y"], "b": ["1|2", ""]},
            {"f": ["x", "y"], "f_1": ["1,2", ""]},
        ),
        (
            "feature_type: ComboFeature hash_bucket_size: 9 embedding_dim: 2 combo_join_sep: '-'",
            {"a": ["x", "y"], "b": ["1", ""]},
            {"f": ["x-1", "y-"]},
        ),
        (
            "feature_type: LookupFeature hash_bucket_size: 9 embedding_dim: 2 kv_separator: ':' "
            "lookup_max_sel_elem_num: 2",
            {"a": ["k", "q"], "b": ["k:1|q:2|k:|k:3|k:4", "k:1"]},
            {"f": ["1,3", ""]},
        ),
    ],
)
def test_texts_hold_what_stands_before_the_look_up(feature, columns, texts):
    assert shown(feature, **columns) == texts
