"""Embeddings: every lookup equals the one-hot product it stands for, values and gradients."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from easymtl.features.embeddings import Embeddings
from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import Build, Call
from easymtl.models.input_layer import InputLayer
from easymtl.protos.pipeline_pb2 import Pipeline

FEATURES = {
    "a": 'input_names: "a" feature_type: IdFeature num_buckets: 5 embedding_dim: 2',
    "b": 'input_names: "b" feature_type: IdFeature num_buckets: 7 embedding_dim: 3',
    "c": 'input_names: "c" feature_type: IdFeature num_buckets: 4 embedding_dim: 2',
    "s": 'input_names: "s" feature_type: IdFeature num_buckets: 5 embedding_dim: 2 embedding_name: "both"',
    "t": 'input_names: "t" feature_type: IdFeature num_buckets: 5 embedding_dim: 2 embedding_name: "both"',
    "x": 'input_names: "x" feature_type: RawFeature',
    "y": 'input_names: "y" feature_type: RawFeature',
    "tags": 'input_names: "tags" feature_type: TagFeature hash_bucket_size: 6 embedding_dim: 2 kv_separator: ":"',
    "more": 'input_names: "more" feature_type: TagFeature hash_bucket_size: 3 embedding_dim: 2',
    "cut": 'input_names: "cut" feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 2 max_seq_len: 3',
    "whole": 'input_names: "whole" feature_type: SequenceFeature hash_bucket_size: 9 embedding_dim: 2',
    "plain": 'input_names: "plain" feature_type: TagFeature hash_bucket_size: 3 embedding_dim: 4',
}
KINDS = dict.fromkeys("abcst", "INT32") | dict.fromkeys("xy", "FLOAT")
KINDS |= dict.fromkeys(["tags", "more", "cut", "whole", "plain"], "STRING")


def make_embeddings(names_by_group: dict[str, list[str]], seed: int = 1, **bodies: str) -> Embeddings:
    pipeline = Pipeline()
    for name in dict.fromkeys(name for names in names_by_group.values() for name in names):
        field = f'input_name: "{name}" input_type: {KINDS[name]}'
        text_format.Parse(field, pipeline.data_config.input_fields.add())
        body = bodies.get(name, FEATURES[name])
        text_format.Parse(f'feature_name: "{name}" {body}', pipeline.feature_config.features.add())
    for group, names in names_by_group.items():
        pipeline.model_config.feature_groups.add(group_name=group, feature_names=names)
    embeddings = Embeddings(FeatureSet(pipeline), seed)
    embeddings.input_layer = InputLayer(Build(), embeddings.feature_set)
    return embeddings


def groups(embeddings: Embeddings, vectors: dict) -> dict:
    return embeddings.input_layer(vectors, Call())


def run(embeddings: Embeddings, batch: dict) -> dict[str, np.ndarray]:
    vectors = embeddings.vectors(batch, embeddings.lookup(batch))
    return {name: value.numpy() for name, value in groups(embeddings, vectors).items()}


def table(embeddings: Embeddings, feature: str, scope: str = "input_layer") -> np.ndarray:
    return embeddings.parameters()[f"{scope}/{feature}_embedding/embedding_weights"].read().numpy()


def offset(embeddings: Embeddings, feature: str) -> int:
    return next(t.offset for t in embeddings.feature_set.tables if t.name.endswith(f"/{feature}"))


def test_a_missing_id_is_a_zero_vector_without_a_gradient():
    embeddings = make_embeddings({"all": ["a"]})
    batch = {"ids_2": tf.constant([[-1], [3], [-1]]), "batch_size": tf.constant(3)}
    lookup = embeddings.lookup(batch)
    with tf.GradientTape() as tape:
        tape.watch(lookup[2].rows)
        group = groups(embeddings, embeddings.vectors(batch, lookup))["all"]
        total = tf.reduce_sum(group * [[1.0, 2.0]])
    np.testing.assert_array_equal(lookup[2].row_numbers, [3])
    np.testing.assert_array_equal(group[0], [0.0, 0.0])
    np.testing.assert_array_equal(group[1], table(embeddings, "a")[3])
    np.testing.assert_array_equal(tape.gradient(total, lookup[2].rows), [[1.0, 2.0]])


def test_a_batch_in_which_all_ids_are_missing_touches_no_row():
    embeddings = make_embeddings({"all": ["a", "x"]})
    batch = {"ids_2": tf.constant([[-1], [-1]]), "dense": tf.constant([[1.0], [2.0]]), "batch_size": tf.constant(2)}
    assert embeddings.lookup(batch)[2].row_numbers.shape == (0,)
    np.testing.assert_array_equal(run(embeddings, batch)["all"], [[0, 0, 1], [0, 0, 2]])


def test_features_keep_the_order_of_the_config_whatever_their_kind():
    names = ["x", "b", "a", "y", "c"]
    embeddings = make_embeddings({"all": names})
    batch = {
        "ids_2": tf.constant([[offset(embeddings, "a") + 1, offset(embeddings, "c") + 2]]),
        "ids_3": tf.constant([[6]]),
        "dense": tf.constant([[0.5, 0.25]]),
        "batch_size": tf.constant(1),
    }
    a, b, c = table(embeddings, "a")[1], table(embeddings, "b")[6], table(embeddings, "c")[2]
    np.testing.assert_array_equal(run(embeddings, batch)["all"], [np.concatenate([[0.5], b, a, [0.25], c])])
    assert dict(embeddings.input_layer.shapes) == {"all": 9}


def test_a_feature_in_two_groups_has_two_tables():
    embeddings = make_embeddings({"user": ["a"], "item": ["b", "a"]})
    assert set(embeddings.parameters()) == {
        "input_layer/a_embedding/embedding_weights",
        "input_layer_1/b_embedding/embedding_weights",
        "input_layer_1/a_embedding/embedding_weights",
    }
    assert not np.allclose(table(embeddings, "a"), table(embeddings, "a", "input_layer_1"))


def test_features_with_one_embedding_name_share_a_table_and_its_gradient():
    embeddings = make_embeddings({"all": ["s", "t"]})
    assert list(embeddings.parameters()) == ["input_layer/both/embedding_weights"]
    batch = {"ids_2": tf.constant([[2, 2], [2, 1]]), "batch_size": tf.constant(2)}
    lookup = embeddings.lookup(batch)
    with tf.GradientTape() as tape:
        tape.watch(lookup[2].rows)
        total = tf.reduce_sum(groups(embeddings, embeddings.vectors(batch, lookup))["all"])
    np.testing.assert_array_equal(lookup[2].row_numbers, [2, 1])
    np.testing.assert_array_equal(tape.gradient(total, lookup[2].rows), [[3.0, 3.0], [1.0, 1.0]])


def test_bags_sum_their_weighted_rows_and_empty_ones_are_zero():
    embeddings = make_embeddings({"all": ["tags", "more"]})
    more = offset(embeddings, "more")
    batch = {
        "bag_ids_2": tf.constant([1, 4, 1, more + 2]),
        "bag_segments_2": tf.constant([0, 0, 2, 5]),
        "bag_weights_2": tf.constant([0.5, 2.0, -1.0, 1.0]),
        "batch_size": tf.constant(4),
    }
    tags = table(embeddings, "tags")
    expected = np.zeros([4, 4], np.float32)
    expected[0, :2] = 0.5 * tags[1] + 2.0 * tags[4]
    expected[1, :2] = -tags[1]
    expected[2, 2:] = table(embeddings, "more")[2]
    np.testing.assert_allclose(run(embeddings, batch)["all"], expected, atol=1e-7)


def test_bags_without_weights_count_each_entry_once():
    embeddings = make_embeddings({"all": ["plain"]})
    batch = {
        "bag_ids_4": tf.constant([2, 2, 0]),
        "bag_segments_4": tf.constant([1, 1, 1]),
        "batch_size": tf.constant(2),
    }
    rows = table(embeddings, "plain")
    np.testing.assert_allclose(run(embeddings, batch)["all"], [np.zeros(4), 2 * rows[2] + rows[0]], atol=1e-7)


ENTRIES = st.tuples(st.integers(0, 11), st.integers(0, 8), st.floats(-2, 2, width=16))


@settings(max_examples=25, deadline=None)
@given(
    ids=st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 3)), min_size=3, max_size=3),
    entries=st.lists(ENTRIES, max_size=12),
)
def test_values_and_gradients_equal_those_of_a_one_hot_product(ids, entries):
    """Single ids, bags and weights over one variable, three rows, two id slots, two bag slots."""
    embeddings = make_embeddings({"all": ["a", "c", "tags", "more"]})
    variable = embeddings.variable(2)
    num_rows = variable.shape[0]
    start = offset(embeddings, "c")
    packed = np.array([[a, c if c < 0 else c + start] for a, c in ids], np.int32)
    entries = sorted((segment % 6, row % num_rows, weight) for row, segment, weight in entries)
    batch = {
        "ids_2": tf.constant(packed),
        "bag_ids_2": tf.constant([row for _, row, _ in entries], tf.int32),
        "bag_segments_2": tf.constant([segment for segment, _, _ in entries], tf.int32),
        "bag_weights_2": tf.constant([weight for _, _, weight in entries], tf.float32),
        "batch_size": tf.constant(3),
    }
    one_hot = np.zeros([3, 4, num_rows], np.float32)
    for row, slots in enumerate(packed):
        for slot, number in enumerate(slots):
            one_hot[row, slot, number] = number >= 0
    for segment, number, weight in entries:
        one_hot[segment // 2, 2 + segment % 2, number] += weight
    upstream = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    lookup = embeddings.lookup(batch)
    with tf.GradientTape() as tape:
        tape.watch(lookup[2].rows)
        found = groups(embeddings, embeddings.vectors(batch, lookup))["all"]
        total = tf.reduce_sum(found * upstream.reshape(3, 8))
    gradient = tf.scatter_nd(lookup[2].row_numbers[:, tf.newaxis], tape.gradient(total, lookup[2].rows), [num_rows, 2])
    np.testing.assert_allclose(found, (one_hot @ variable.numpy()).reshape(3, 8), atol=1e-5)
    np.testing.assert_allclose(gradient, np.einsum("bsn,bsw->nw", one_hot, upstream), atol=1e-3, rtol=1e-5)
    assert len(set(lookup[2].row_numbers.numpy())) == len(lookup[2].row_numbers)


def test_initial_values_are_independent_of_other_tables_and_equal_across_runs():
    alone = table(make_embeddings({"all": ["c"]}), "c")
    np.testing.assert_array_equal(table(make_embeddings({"all": ["a", "s", "c"]}), "c"), alone)
    assert not np.allclose(table(make_embeddings({"all": ["c"]}, seed=2), "c"), alone)


def test_two_tables_start_with_different_values():
    embeddings = make_embeddings({"all": ["a", "s"]})
    shared = embeddings.parameters()["input_layer/both/embedding_weights"].read()
    assert not np.allclose(table(embeddings, "a"), shared)


INITIALIZERS = {
    "": (0.0, 0.01 / np.sqrt(2) * 0.8796),
    "initializer { random_normal_initializer { mean: 0.5 stddev: 0.1 } }": (0.5, 0.1),
    "initializer { truncated_normal_initializer { mean: -1 stddev: 0.2 } }": (-1.0, 0.2 * 0.8796),
    "initializer { glorot_normal_initializer {} }": (0.0, np.sqrt(2 / (20000 + 2))),
    "initializer { constant_initializer { consts: 0.25 } }": (0.25, 0.0),
}


@pytest.mark.parametrize("text", INITIALIZERS)
def test_initializers_have_their_mean_and_deviation(text):
    body = FEATURES["a"].replace("num_buckets: 5", "num_buckets: 20000")
    values = table(make_embeddings({"all": ["a"]}, a=f"{body} {text}"), "a")
    mean, deviation = INITIALIZERS[text]
    assert np.isclose(values.mean(), mean, atol=0.02 * deviation + 1e-7)
    assert np.isclose(values.std(), deviation, rtol=0.02)


def test_the_squared_norm_is_half_the_squares_of_all_outputs():
    embeddings = make_embeddings({"all": ["a", "b", "x"]})
    batch = {
        "ids_2": tf.constant([[1], [-1]]),
        "ids_3": tf.constant([[2], [2]]),
        "dense": tf.constant([[9.0], [9.0]]),
        "batch_size": tf.constant(2),
    }
    vectors = embeddings.vectors(batch, embeddings.lookup(batch))
    expected = 0.5 * (table(embeddings, "a")[1] ** 2).sum() + (table(embeddings, "b")[2] ** 2).sum()
    np.testing.assert_allclose(embeddings.squared_norm(vectors), expected, rtol=1e-6)


def test_a_parameter_reads_and_assigns_its_own_rows_alone():
    embeddings = make_embeddings({"all": ["a", "c"]})
    before = table(embeddings, "a")
    parameter = embeddings.parameters()["input_layer/c_embedding/embedding_weights"]
    parameter.assign(tf.ones([4, 2]))
    np.testing.assert_array_equal(table(embeddings, "c"), np.ones([4, 2]))
    np.testing.assert_array_equal(table(embeddings, "a"), before)
    slot = tf.Variable(tf.zeros_like(embeddings.variable(2)))
    parameter.assign(tf.ones([4, 2]), slot)
    np.testing.assert_array_equal(slot, np.repeat([[0, 0], [1, 1]], [5, 4], axis=0))


@pytest.mark.parametrize(("names", "length"), [(["cut", "whole"], 3), (["whole"], 20)])
def test_made_up_histories_are_as_long_as_all_of_them_may_be(names, length):
    """Histories that are read together are equally long, and a network may have places for so many steps only."""
    vectors = make_embeddings({"all": names}).made_up_vectors(4)
    for number in range(len(names)):
        np.testing.assert_array_equal(vectors[f"step_lengths_{number}"], [length] * 4)
        np.testing.assert_array_equal(vectors[f"step_rows_{number}"], np.repeat(np.arange(4), length))
        assert vectors[f"steps_{number}"].shape == (4 * length, 2)
