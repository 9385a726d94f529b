import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting import draft_config
from easymtl.drafting.schema import read_schema
from easymtl.errors import UserError

SCHEMA = """
# written by Merlin
feature {
  name: "user"
  type: INT
  int_domain { name: "user" min: 0 max: 999 is_categorical: true }
  annotation { tag: "user_id" tag: "categorical" extra_metadata { type_url: "x" value: "\\n\\017\\n" } }
}
feature { name: "shop" type: INT int_domain { min: -1 max: 9 is_categorical: true } annotation { tag: "categorical" } }
feature { name: "amount" type: FLOAT float_domain { min: -0.5 max: 1e3 } annotation { tag: "continuous" } }
feature { name: "color" type: BYTES domain: "colors" }
feature { name: "click" type: INT annotation { tag: "target" tag: "binary_classification" } }
feature { name: "buy" type: INT annotation { tag: "Tags.TARGET" } value_count < min: 1 max: 1 > }
string_domain { name: "colors" value: "red" value: "blue" value: ["green"] }
generated_feature: [1, -2]
"""
RANDOM = np.random.default_rng(0)
ROWS = 500


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA)
    return str(path)


def table():
    return pa.table(
        {
            "user": RANDOM.integers(0, 100, ROWS),
            "shop": RANDOM.integers(0, 10, ROWS),
            "amount": RANDOM.integers(0, 1000, ROWS),
            "color": RANDOM.choice(["red", "blue"], ROWS),
            "click": RANDOM.integers(0, 2, ROWS),
            "buy": RANDOM.integers(0, 2, ROWS),
            "more": RANDOM.random(ROWS),
        }
    )


def test_what_a_schema_says(schema):
    found = read_schema(schema)
    assert list(found.columns) == ["user", "shop", "amount", "color", "click", "buy"]
    assert found.labels == ["click", "buy"]
    assert (found.columns["user"].high, found.columns["shop"].high, found.columns["amount"].high) == (999, 9, None)
    assert found.columns["color"].values == ("red", "blue", "green")


def test_a_draft_goes_by_the_schema(schema):
    draft = draft_config(table(), ["click"], schema=schema)
    features = {feature.input_names[0]: feature for feature in draft.pipeline.feature_config.features}
    assert set(features) == {"user", "shop", "amount", "color"}
    assert (features["user"].num_buckets, features["shop"].num_buckets) == (1000, 10)
    assert features["amount"].boundaries
    assert list(features["color"].vocab_list) == ["red", "blue", "green"]
    _, gauc = draft.pipeline.model_config.mmoe.task_towers[0].metrics_set
    assert gauc.gauc.uid_field == "user"
    assert "more: not in the schema" in draft.text and "buy: a target by the schema" in draft.text


@pytest.mark.parametrize(("high", "is_taken"), [(999, True), (0, False), (10_000_000, False)])
def test_ids_of_a_schema_have_a_row_each_where_that_is_a_table(tmp_path, high, is_taken):
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA.replace("max: 999", f"max: {high}"))
    (user,) = [
        feature
        for feature in draft_config(table(), ["click"], schema=str(path)).pipeline.feature_config.features
        if feature.input_names[0] == "user"
    ]
    assert (user.num_buckets == high + 1) == is_taken


def test_targets_are_the_labels_when_nobody_names_others(schema):
    draft = draft_config(table(), [], schema=schema)
    assert list(draft.pipeline.data_config.label_fields) == ["click", "buy"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('feature { name: "a"', "the end of the text stands where"),
        ('feature { name: { "a" } }', "stands where a field should begin"),
        ("feature { tag: [1, 2", "the end of the text is no item"),
        ("feature { name: } }", "is no value of name"),
        ("other: 1", "it is no schema"),
    ],
)
def test_broken_schemas_are_refused_with_their_place(tmp_path, text, problem):
    path = tmp_path / "schema.pbtxt"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        read_schema(str(path))
