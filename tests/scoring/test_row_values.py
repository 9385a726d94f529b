"""Which values the rows of tables stand for: those that the encoder finds there, counted row by row."""

from collections import Counter

import pytest
import tensorflow as tf

from easymtl.features.feature_set import FeatureSet
from easymtl.scoring.row_values import RowValues, can_tell_values, names_of_rows, row_values
from tests.training.small_runs import small_config

pytestmark = pytest.mark.usefixtures("op_by_op")

LINES = ["1,0,a,x|y,0.5", "0,0,a,x,1.5", "0,0,b,,2.5", "1,1,,y|x|z,0.5", "0,0,c,z|z,7.5"]


def values_of(folder, feature: str, *overrides: str, lines=LINES, most_rows: int = 100) -> dict[int, RowValues]:
    (folder / "eval.csv").write_text("\n".join(lines) + "\n")
    pipeline = small_config(folder, *overrides).pipeline
    features = FeatureSet(pipeline)
    return row_values(pipeline, features, features.transforms[feature], f"{folder}/eval.csv", most_rows)


def own_rows(folder, feature: str, texts: list[str], *overrides: str) -> list[int]:
    """Returns the row of each text, as a request finds it."""
    features = FeatureSet(small_config(folder, *overrides).pipeline)
    piece = features.transforms[feature].per_value(0, tf.constant(texts))
    return piece.ids.numpy().tolist()


def test_ids_lead_to_the_rows_of_their_hash_and_missing_ones_to_none(tmp_path):
    found = values_of(tmp_path, "item")
    a, b, c = own_rows(tmp_path, "item", ["a", "b", "c"])
    assert len({a, b, c}) == 3
    assert found == {a: ("a", 1, 2), b: ("b", 1, 1), c: ("c", 1, 1)}
    assert next(iter(found)) == a  # The most frequent one first.


def test_values_that_share_a_row_are_told_as_one(tmp_path):
    found = values_of(tmp_path, "item", "feature_config.features[0].hash_bucket_size=1")
    assert found == {0: ("a", 3, 4)}
    assert names_of_rows(found) == {0: "a and 2 more"}


def test_tags_are_told_one_by_one(tmp_path):
    found = values_of(tmp_path, "tags")
    x, y, z = own_rows(tmp_path, "tags", ["x", "y", "z"])
    assert found == {x: ("x", 1, 3), z: ("z", 1, 3), y: ("y", 1, 2)}


def test_weights_of_tags_are_no_part_of_their_names(tmp_path):
    edits = ("feature_config.features[1].kv_separator=:", "feature_config.features[1].separator=|")
    found = values_of(tmp_path, "tags", *edits, lines=["1,0,a,x:0.5|y:2,1", "1,0,a,x:3,1"])
    x, y = own_rows(tmp_path, "tags", ["x", "y"], *edits)
    assert found == {x: ("x", 1, 2), y: ("y", 1, 1)}


def test_numbers_lead_to_their_bucket(tmp_path):
    edits = ("feature_config.features[2].boundaries=[1.0, 2.0]", "feature_config.features[2].embedding_dim=4")
    found = values_of(tmp_path, "price", *edits)
    assert {row: (one.num_values, one.frequency) for row, one in found.items()} == {0: (1, 2), 1: (1, 1), 2: (2, 2)}
    assert float(found[0].value) == 0.5


def test_no_more_rows_are_read_than_asked_for(tmp_path):
    found = values_of(tmp_path, "item", "data_config.eval_batch_size=2", most_rows=2)
    assert Counter({one.value: one.frequency for one in found.values()}) == {"a": 2}


def test_steps_of_histories_are_told_one_by_one(tmp_path):
    history = """{ input_names: "tags" feature_name: "seen" feature_type: SequenceFeature hash_bucket_size: 20
                   embedding_dim: 4 sequence_combiner { attention { } } MORE }"""
    for more, row in (("", "y|x|z"), ('seq_multi_sep: ";"', "y|x;z")):
        edits = (
            f"feature_config.features[3]={history.replace('MORE', more)}",
            "model_config.feature_groups[0].feature_names[3]=seen",
        )
        found = values_of(tmp_path, "seen", *edits, lines=[f"1,0,a,{row},1", "1,0,a,x,1"])
        assert sorted(found.values()) == [("x", 1, 2), ("y", 1, 1), ("z", 1, 1)]


def test_what_is_made_of_several_fields_is_not_told(tmp_path):
    combo = """{ input_names: ["item", "tags"] feature_name: "both" feature_type: ComboFeature hash_bucket_size: 9
                 embedding_dim: 4 }"""
    edits = (f"feature_config.features[3]={combo}", "model_config.feature_groups[0].feature_names[3]=both")
    transforms = FeatureSet(small_config(tmp_path, *edits).pipeline).transforms
    assert {name: can_tell_values(transform) for name, transform in transforms.items()} == {
        "item": True,
        "tags": True,
        "price": True,
        "both": False,
    }
