import pytest
import tensorflow as tf

from easymtl.config import view
from easymtl.config.rules.feature_faults import feature_faults
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder, to_tensors
from easymtl.features.feature_set import FeatureSet
from tests.features.feature_cases import as_trained, make_batch, make_pipeline

FIELDS = {"a": "STRING", "b": "STRING", "x": "FLOAT", "v": "STRING"}
ID = 'input_names: "{0}" embedding_dim: {1} hash_bucket_size: {2}'
TAG = 'feature_name: "{0}" input_names: "{1}" feature_type: TagFeature embedding_dim: {2} hash_bucket_size: {3}'
RAW = 'input_names: "{0}" feature_type: RawFeature raw_input_dim: {1}'


def test_slots_number_the_columns_of_their_kind_and_width():
    features = FeatureSet(
        make_pipeline(
            FIELDS,
            [
                ID.format("a", 4, 10),
                RAW.format("v", 3),
                TAG.format("ta", "a", 4, 7),
                ID.format("b", 8, 20),
                RAW.format("x", 1),
                TAG.format("tb", "b", 4, 5) + ' combiner: "mean"',
            ],
            {"all": ["a", "v", "ta", "b"], "side": ["x", "b", "tb", "a"]},
        )
    )
    slots = [(slot.group, slot.feature, slot.columns.name, slot.width, slot.index) for slot in features.slots]
    assert slots == [
        ("all", "a", "ids_4", 4, 0),
        ("all", "v", "dense", 3, 0),
        ("all", "ta", "bags_4", 4, 0),
        ("all", "b", "ids_8", 8, 0),
        ("side", "x", "dense", 1, 3),
        ("side", "b", "ids_8", 8, 1),
        ("side", "tb", "bags_4", 4, 1),
        ("side", "a", "ids_4", 4, 1),
    ]
    tables = [(table.name, table.rows, table.width, table.offset) for table in features.tables]
    assert tables == [
        ("all/a", 10, 4, 0),
        ("all/ta", 7, 4, 10),
        ("all/b", 20, 8, 0),
        ("side/b", 20, 8, 20),
        ("side/tb", 5, 4, 17),
        ("side/a", 10, 4, 22),
    ]
    assert features.rows_by_width == {4: 32, 8: 40}
    assert features.layout.columns["bags_4"].is_weighted
    assert features.fields == ["a", "v", "b", "x"]
    places = {name: columns.num_places for name, columns in features.layout.columns.items()}
    assert places == {"ids_4": 2, "dense": 4, "bags_4": 2, "ids_8": 2}


def test_a_feature_in_two_groups_has_two_tables_and_one_id():
    features = FeatureSet(make_pipeline(FIELDS, [ID.format("a", 4, 10)], {"all": ["a"], "side": ["a"]}))
    packed = features.packed({"a": tf.constant(["q"])})
    assert packed["ids"].shape == [1, 1]
    [[first, second]] = as_trained(features, packed)["ids_4"]
    assert second == first + 10


def test_an_embedding_name_is_one_table_in_all_groups():
    named = ID.format("a", 4, 10) + ' embedding_name: "e"'
    features = FeatureSet(
        make_pipeline(
            FIELDS, [named, ID.format("b", 4, 10) + ' embedding_name: "e"'], {"all": ["a", "b"], "side": ["a"]}
        )
    )
    assert [(table.name, table.rows) for table in features.tables] == [("e", 10)]


def test_shared_names_are_features_of_one_table():
    body = 'shared_names: ["b", "v"] feature_name: "first" ' + ID.format("a", 4, 10)
    features = FeatureSet(make_pipeline(FIELDS, [body], {"all": ["first", "b", "v"]}))
    assert [slot.table.name for slot in features.slots] == ["first"] * 3
    ids = features.packed({name: tf.constant(["q"]) for name in ("a", "b", "v")})["ids"].numpy()
    assert len(set(ids[0])) == 1


def test_shared_names_of_vectors_of_numbers_have_no_table_to_share():
    of_number = "auto_dis_embedding { embedding_dim: 4 num_bins: 3 temperature: 0.8 }"
    body = f'input_names: "v" feature_type: RawFeature {of_number} shared_names: "w"'
    pipeline = make_pipeline({"v": "FLOAT", "w": "FLOAT"}, [body], {"all": ["v", "w"]})
    first, second = FeatureSet(pipeline).slots
    assert (first.feature, second.feature) == ("v", "w")
    assert first.table is None and second.table is None
    assert [
        fault for feature in view.written_out(pipeline.feature_config.features[0]) for fault in feature_faults(feature)
    ] == []


def test_a_shared_table_must_agree_in_size():
    bodies = [ID.format(name, 4, rows) + ' embedding_name: "e"' for name, rows in (("a", 10), ("b", 11))]
    with pytest.raises(UserError, match=r'feature "b": shares the table "e" of 10 rows'):
        FeatureSet(make_pipeline(FIELDS, bodies))


def test_an_unknown_feature_of_a_group_is_named():
    with pytest.raises(UserError, match=r'feature group "all": "aa" is not a feature.*Did you mean "a"'):
        FeatureSet(make_pipeline(FIELDS, [ID.format("a", 4, 10)], {"all": ["aa"]}))


def test_a_feature_without_a_vector_is_refused():
    with pytest.raises(UserError, match="PassThroughFeature has no vector"):
        FeatureSet(make_pipeline(FIELDS, ['input_names: "a" feature_type: PassThroughFeature']))


def test_features_that_no_group_uses_cost_nothing():
    bodies = [ID.format("a", 4, 10), 'input_names: "b" embedding_dim: 4 vocab_file: "nowhere.txt"']
    assert FeatureSet(make_pipeline(FIELDS, bodies, {"all": ["a"]})).fields == ["a"]


def test_ids_are_64_bit_where_a_table_needs_it():
    pipeline = make_pipeline(FIELDS, [ID.format("a", 4, 2**33), ID.format("b", 8, 2**30)])
    packed = to_tensors(Encoder(FeatureSet(pipeline))(make_batch(pipeline, {"a": ["q"], "b": ["q"]})))
    assert packed["ids_4"].dtype == tf.int64
    assert packed["ids_8"].dtype == tf.int32


def test_a_saved_model_carries_its_vocabularies(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("x\ny\nz\n")
    bodies = [
        f'input_names: "a" embedding_dim: 4 vocab_file: "{words}"',
        'input_names: "b" embedding_dim: 4 vocab_list: ["p", "q"]',
        TAG.format("tags", "v", 4, 100),
    ]
    features = FeatureSet(make_pipeline(FIELDS, bodies))
    module = tf.Module()
    module.features = features
    signature = {name: tf.TensorSpec([None], dtype, name) for name, dtype in features.field_types.items()}
    module.serve = tf.function(features.packed, input_signature=[signature], autograph=False)
    columns = {"a": tf.constant(["z", "?", ""]), "b": tf.constant(["q", "", "p"]), "v": tf.constant(["m|n", "", "m"])}
    expected = features.packed(columns)
    tf.saved_model.save(module, str(tmp_path / "model"))
    words.unlink()
    (tmp_path / "model").rename(tmp_path / "moved")
    found = tf.saved_model.load(str(tmp_path / "moved")).serve(columns)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert found[name].numpy().tolist() == tensor.numpy().tolist()
