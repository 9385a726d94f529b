"""Which feature stands where in a packed request, and what is looked up there."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.embeddings import Embeddings
from easymtl.features.feature_set import FeatureSet
from easymtl.features.kinds.base import FEATURES, ROWS, VALUES, PackedForm, Slot, Table, served_rows, served_sums
from easymtl.features.packing import PackedTensor
from easymtl.features.products import sum_rows
from easymtl.features.served_table import ServedTable
from easymtl.features.served_tables import ServedTables
from tests.features.feature_cases import make_pipeline

FIELDS = {"a": "STRING", "b": "STRING", "t": "STRING", "x": "FLOAT"}
FEATURES_OF_TWO_WIDTHS = [
    'input_names: "a" hash_bucket_size: 10 embedding_dim: 4',
    'input_names: "b" hash_bucket_size: 20 embedding_dim: 8',
    'feature_name: "c" input_names: "b" hash_bucket_size: 30 embedding_dim: 4',
    'input_names: "x" feature_type: RawFeature',
]
GROUPS = {"all": ["a", "b", "c", "x"], "side": ["c", "a"]}


def slot(rows: int, offset: int, feature: str = "f") -> Slot:
    return Slot("all", feature, 4, Table(feature, rows, 4, None, offset), None, 0)


def test_a_feature_stands_once_in_the_tensor_of_all_widths_and_is_looked_up_by_each_group():
    features = FeatureSet(make_pipeline(FIELDS, FEATURES_OF_TWO_WIDTHS, GROUPS))
    tensors = features.packing.tensors
    assert {name: [one.feature for one in tensor.slots] for name, tensor in tensors.items()} == {
        "ids": ["a", "c", "b"],
        "dense": ["x"],
    }
    assert {name: spec.shape.as_list() for name, spec in features.packing.specs(5).items()} == {
        "ids": [5, 3],
        "dense": [5, 1],
    }
    embeddings = Embeddings(features, 7)
    tables = ServedTables(embeddings).by_width()
    assert {width: table.parts[0].shape[0] for width, table in tables.items()} == {4: 81, 8: 21}
    packed = {"ids": tf.constant([[3, 29, 19], [-1, 30, 20]], tf.int64), "dense": tf.constant([[0.5], [2.0]])}
    vectors = features.packing.vectors(packed, tables)
    # In each width: a and c of "all", c and a of "side", each in a table of its own.
    rows = [slot.offset + row for slot, row in zip(features.layout.columns["ids_4"].slots, [3, 29, 29, 3])]
    np.testing.assert_array_equal(vectors["id_4"][0], embeddings.variable(4).numpy()[rows])
    np.testing.assert_array_equal(vectors["id_8"][0], embeddings.variable(8).numpy()[[19]])
    assert not vectors["id_4"][1].numpy().any() and not vectors["id_8"][1].numpy().any(), "no rows of these tables"
    assert {name: spec.shape.rank for name, spec in features.packing.vector_specs().items()} == {
        name: vector.shape.rank for name, vector in vectors.items()
    }


@pytest.mark.parametrize(
    ("combiner", "names"), [("sum", {"bag_ids"}), ("mean", {"bag_ids", "bag_weights"})], ids=["sum", "mean"]
)
def test_weights_are_packed_where_a_bag_can_have_others_than_1(combiner, names):
    tags = f'input_names: "t" feature_type: TagFeature hash_bucket_size: 9 embedding_dim: 4 combiner: "{combiner}"'
    assert FeatureSet(make_pipeline(FIELDS, [tags], {"all": ["t"]})).packing.tensors.keys() == names


def test_parts_of_unequal_lengths_are_padded_to_the_longest():
    tensor = PackedTensor(PackedForm("bag_ids", tf.int64, (ROWS, FEATURES, VALUES), "", padding=-1))
    slots = [slot(9, 0, name) for name in "pqr"]
    assert [tensor.add(one, 1) for one in (*slots, slots[0])] == [True, True, True, False]
    parts = [tf.constant([[[1, 2]], [[3, -1]]], tf.int64), tf.constant([[[4], [5]], [[6], [7]]], tf.int64)]
    joined = tensor.joined(parts, ["p", "qr"])
    assert joined.numpy().tolist() == [[[1, 2], [4, -1], [5, -1]], [[3, -1], [6, -1], [7, -1]]]
    others = tensor.joined([parts[1], parts[0]], ["rp", "q"]).numpy()
    assert others.tolist() == joined.numpy()[:, [2, 0, 1]].tolist(), "each stands where it always does"
    assert tensor.part(joined, slots[1:]).numpy().tolist() == joined.numpy()[:, 1:].tolist()
    assert tensor.part(joined, [slots[2], slots[0]]).numpy().tolist() == joined.numpy()[:, [2, 0]].tolist()


@pytest.mark.parametrize(("row", "served"), [(0, 6), (8, 14), (9, 0), (-1, 0), (-2, 0), (2**62, 0), (-(2**63), 0)])
def test_only_rows_of_its_own_table_are_found(row, served):
    ids = tf.constant([[row, 0]], tf.int64)
    assert served_rows(ids, [slot(9, 5), slot(3, 14)]).numpy().tolist() == [[served, 15]]


def test_sums_are_weighted_and_what_is_no_row_weighs_nothing():
    table = ServedTable(tf.constant([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]]))
    rows = tf.constant([[[1, 2, 0], [0, 0, 0]]], tf.int64)
    weights = tf.constant([[[0.5, 2.0, np.nan], [np.inf, 1.0, 3.0]]])
    assert served_sums(table, rows, None).numpy().tolist() == [[[3.0, 30.0], [0.0, 0.0]]]
    assert served_sums(table, rows, weights).numpy().tolist() == [[[4.5, 45.0], [0.0, 0.0]]]


def test_sums_of_served_rows_are_those_of_training_to_the_bit():
    random = np.random.default_rng(5)
    table = random.normal(size=[50, 8]).astype(np.float32)
    rows = np.where(random.random([40, 30]) < 0.7, random.integers(1, 51, [40, 30]), 0)
    weights = random.random([40, 30]).astype(np.float32)
    sums, places = np.nonzero(rows)
    trained = sum_rows(table, weights[sums, places], sums, rows[sums, places] - 1, 40)
    whole = ServedTable(tf.constant(np.concatenate([np.zeros([1, 8], np.float32), table])))
    served = served_sums(whole, tf.constant(rows), tf.constant(weights))
    np.testing.assert_array_equal(served, trained)
