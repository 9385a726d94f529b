"""Blocks that read groups in other ways: an embedding layer, a wide group, a package's own tables, plain columns."""

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.plain_feature import PlainFeature
from easymtl.layers.context import Call
from easymtl.models.block_graph.running import Run
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from tests.features.feature_cases import as_trained

COMMON = """
    data_config {
      label_fields: "click"
      input_fields { input_name: "click" input_type: INT32 }
      input_fields { input_name: "user" input_type: STRING }
      input_fields { input_name: "tags" input_type: STRING }
      input_fields { input_name: "age" input_type: INT64 }
      input_fields { input_name: "price" input_type: FLOAT }
      input_fields { input_name: "pair" input_type: STRING }
    }
    feature_config {
      features { input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }
      features { input_names: "tags" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 4 }
      features { input_names: "age" feature_type: IdFeature num_buckets: 100 embedding_dim: 4 }
      features { input_names: "price" feature_type: RawFeature min_val: 0 max_val: 10 }
      features { input_names: "pair" feature_type: RawFeature raw_input_dim: 2 }
      features { feature_name: "passed" input_names: "age" feature_type: PassThroughFeature }
    }
"""
COLUMNS = {
    "user": ["u", "", "v"],
    "tags": ["a|b", "", "a"],
    "age": [7, 0, 99],
    "price": [5.0, 0.0, 20.0],
    "pair": ["1|2", "", "3"],
}


def make(blocks: str, *groups: str) -> Ranker:
    text = f"""{COMMON} model_config {{ {" ".join(groups)} backbone {{ {blocks} }}
        model_params {{ task_towers {{ tower_name: "ctr" label_name: "click" }} }} }}"""
    return Ranker(text_format.Parse(text, Pipeline()))


def group(name: str, *features: str, rest: str = "") -> str:
    names = ", ".join(f'"{one}"' for one in features)
    return f'feature_groups {{ group_name: "{name}" feature_names: [{names}] {rest} }}'


def value_of(ranker: Ranker, block: str):
    """Returns the value of a block for the rows of COLUMNS."""
    columns = {name: tf.constant(COLUMNS[name]) for name in ranker.feature_set.fields}
    packed = as_trained(ranker.feature_set, ranker.feature_set.packed(columns))
    batch = {name: tf.constant(array) for name, array in packed.items()}
    inputs = ranker.network.input_layer(ranker.embeddings.looked_up(batch), Call())
    run = Run(ranker.model.backbone.plan.main, inputs, Call())
    run.result()
    return run.values[block]


EMBEDDING = """
    blocks { name: "emb" inputs { feature_group_name: "ids" } embedding_layer { embedding_dim: 3 %s } }
    blocks { name: "deep" inputs { feature_group_name: "all" } } concat_blocks: ["deep"]
"""
IDS, ALL = group("ids", "user", "tags"), group("all", "age")


@pytest.fixture(scope="module")
def embedding() -> Ranker:
    return make(EMBEDDING % 'combiner: "mean"', IDS, ALL)


def test_an_embedding_layer_has_one_table_of_all_ids(embedding):
    assert {name: parameter.shape for name, parameter in embedding.embeddings.parameters().items()} == {
        "input_layer/age_embedding/embedding_weights": (100, 4),
        "backbone/emb/embedding/embeddings": (70, 3),
    }


def test_the_ids_of_each_feature_lie_behind_those_of_the_one_before(embedding):
    table = embedding.embeddings.parameters()["backbone/emb/embedding/embeddings"]
    table.assign(tf.reshape(tf.range(210, dtype=tf.float32), [70, 3]))
    user, tags = np.split(value_of(embedding, "emb").numpy(), 2, axis=1)
    rows = embedding.feature_set.transforms["backbone/emb/user"].per_value(0, tf.constant(["u"])).ids
    np.testing.assert_array_equal(user[0], table.read().numpy()[int(rows[0])])
    found = embedding.feature_set.transforms["backbone/emb/tags"].per_value(0, tf.constant(["a|b"])).ids.numpy()
    np.testing.assert_allclose(tags[0], table.read().numpy()[50 + found].mean(axis=0))


def test_an_empty_value_has_no_vector(embedding):
    np.testing.assert_array_equal(value_of(embedding, "emb")[1], np.zeros(6))


def test_an_embedding_layer_starts_between_a_twentieth_below_and_above():
    values = make(EMBEDDING % "", IDS, ALL).embeddings.parameters()["backbone/emb/embedding/embeddings"].read().numpy()
    assert 0.045 < values.max() <= 0.05 and -0.05 <= values.min() < -0.045
    assert abs(values.mean()) < 0.01


def test_an_embedding_layer_hands_on_a_list():
    parts = value_of(make(EMBEDDING % "concat: false", IDS, ALL), "emb")
    assert [part.shape for part in parts] == [(3, 3), (3, 3)]


def test_a_wide_group_sums_its_values():
    blocks = """
        blocks { name: "w" inputs { feature_group_name: "wide" } input_layer { wide_output_dim: 1 } }
        blocks { name: "deep" inputs { feature_group_name: "all" } } concat_blocks: ["deep"]
    """
    ranker = make(blocks, group("wide", "user", "tags", rest="wide_deep: WIDE"), group("all", "user", "tags"))
    assert {name: parameter.shape for name, parameter in ranker.embeddings.parameters().items()} == {
        "input_layer/user_embedding/embedding_weights": (50, 4),
        "input_layer/tags_embedding/embedding_weights": (20, 4),
        "input_layer_1/user_embedding/embedding_weights": (50, 1),
        "input_layer_1/tags_embedding/embedding_weights": (20, 1),
    }
    tags = ranker.embeddings.parameters()["input_layer_1/tags_embedding/embedding_weights"]
    tags.assign(tf.ones([20, 1]))
    np.testing.assert_array_equal(value_of(ranker, "w")[:, 1], [2.0, 0.0, 1.0])


def test_a_package_and_the_backbone_read_a_group_from_tables_of_their_own():
    blocks = """
        packages { name: "p" blocks { name: "n" inputs { feature_group_name: "ids" } } }
        blocks { name: "main" inputs { feature_group_name: "ids" } }
        blocks { name: "called" inputs { package_name: "p" } }
    """
    ranker = make(blocks, group("ids", "user"))
    assert sorted(ranker.embeddings.parameters()) == [
        "input_layer/user_embedding/embedding_weights",
        "input_layer_1/user_embedding/embedding_weights",
    ]
    assert not np.array_equal(value_of(ranker, "main")[0], value_of(ranker, "called")[0])


RAW = """
    blocks { name: "raw" inputs { feature_group_name: "plain" } raw_input { } }
    blocks { name: "deep" inputs { feature_group_name: "all" } } concat_blocks: ["deep"]
"""


def test_columns_are_the_values_before_they_are_looked_up():
    ranker = make(RAW, group("plain", "user", "age", "price", "pair", "passed"), group("all", "user"))
    user, age, price, pair, passed = value_of(ranker, "raw")
    assert user.numpy().tolist() == [b"u", b"", b"v"]
    assert (age.dtype, age.numpy().tolist()) == (tf.int64, [7, 0, 99])
    np.testing.assert_allclose(price, [0.5, 0.0, 2.0])
    np.testing.assert_allclose(pair, [[1, 2], [0, 0], [3, 0]])
    assert (passed.dtype, passed.numpy().tolist()) == (tf.int64, [7, 0, 99])
    assert list(ranker.embeddings.parameters()) == ["input_layer/user_embedding/embedding_weights"]


def test_numbers_in_text_are_whole_numbers_and_missing_ones_below_all():
    feature = PlainFeature(FeatureConfig(input_names=["a"], num_buckets=9), "STRING")
    assert feature.per_value(0, tf.constant(["3", ""])).values.numpy().tolist() == [3, -1]
    assert feature.dtype == tf.int64


def test_columns_of_training_equal_those_of_the_graph():
    ranker = make(RAW, group("plain", "user", "age", "price", "pair"), group("all", "user"))
    types = {"age": pa.int64(), "price": pa.float32()}
    batch = pa.record_batch({name: pa.array(values, types.get(name)) for name, values in COLUMNS.items()})
    packed = to_tensors(Encoder(ranker.feature_set)(batch))
    expected = ranker.feature_set.packed({name: tf.constant(COLUMNS[name]) for name in ranker.feature_set.fields})
    names = [name for name in packed if name.startswith("plain_")]
    assert len(names) == 4
    for name in names:
        assert packed[name].tolist() == expected[name].numpy().tolist(), name
