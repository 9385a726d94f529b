"""Feature groups as the layers read them: their names, scopes and changes."""

import pytest
from google.protobuf import text_format

from easymtl.config.input_groups import groups_of_vectors, input_groups
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

GROUPS = """
    feature_groups { group_name: "a" feature_names: ["x", "y"] }
    feature_groups { group_name: "b" feature_names: "x" sequence_features { group_name: "s" } }
    feature_groups { group_name: "unread" feature_names: "x" }
"""


def read(body: str, groups: str = GROUPS):
    pipeline = text_format.Parse(f"model_config {{ {groups} {body} }}", Pipeline())
    return pipeline, {group.name: group for group in input_groups(pipeline)}


def block(name: str, group: str, rest: str = "") -> str:
    return f'blocks {{ name: "{name}" inputs {{ feature_group_name: "{group}" }} {rest} }}'


def test_without_a_graph_all_groups_are_read_in_the_order_of_the_config():
    pipeline, groups = read("mmoe { }")
    assert {name: group.scope for name, group in groups.items()} == {
        "a": "input_layer",
        "b": "input_layer_1",
        "unread": "input_layer_2",
    }
    assert groups_of_vectors(pipeline) == {"a", "b", "unread"}


def test_a_graph_numbers_groups_as_it_reads_them_and_leaves_out_the_others():
    pipeline, groups = read(f"backbone {{ {block('p', 'a')} {block('q', 'b')} }} model_params {{ }}")
    assert {name: group.scope for name, group in groups.items()} == {"a": "input_layer_1", "b": "input_layer"}
    assert groups_of_vectors(pipeline) == set()


def test_groups_that_towers_read_come_last():
    towers = 'task_towers { feature_group: "unread" }'
    pipeline, groups = read(f"backbone {{ {block('p', 'b')} }} model_params {{ {towers} }}")
    assert {name: group.scope for name, group in groups.items()} == {"b": "input_layer", "unread": "input_layer_1"}
    assert groups_of_vectors(pipeline) == {"unread"}


def test_a_package_reads_tables_and_attention_of_its_own():
    package = f'packages {{ name: "p" {block("n", "b")} }}'
    call = 'blocks { name: "j" inputs { package_name: "p" } inputs { feature_group_name: "b" } }'
    _, groups = read(f"backbone {{ {call} {package} }} model_params {{ }}")
    assert list(groups) == ["b", "p/b"]
    assert [group.config.sequence_features[0].group_name for group in groups.values()] == ["s", "p/s"]
    assert not groups["p/b"].is_changed


def test_a_wide_group_has_vectors_of_its_width_that_are_summed():
    wide = GROUPS.replace('"a"', '"a" wide_deep: WIDE')
    _, groups = read(f"backbone {{ {block('p', 'a', 'input_layer { wide_output_dim: 2 }')} }} model_params {{ }}", wide)
    feature = groups["a"].feature(
        FeatureConfig(feature_name="x", embedding_dim=16, combiner="mean", embedding_name="e")
    )
    assert (feature.embedding_dim, feature.combiner, feature.embedding_name) == (2, "sum", "")
    assert (feature.feature_name, groups["a"].plain_name(feature.feature_name)) == ("a/x", "x")


def test_an_embedding_layer_has_one_table_for_the_features_of_its_group():
    layer = block("e", "a", "embedding_layer { embedding_dim: 3 }")
    _, groups = read(f"backbone {{ {layer} {block('p', 'b')} }} model_params {{ }}")
    group = groups["backbone/e"]
    assert group.table == "backbone/e/embedding/embeddings"
    feature = group.feature(FeatureConfig(feature_name="x", embedding_dim=16, combiner="sum"))
    assert (feature.embedding_dim, feature.combiner) == (3, "mean")
    assert feature.initializer.random_uniform_initializer.maxval == pytest.approx(0.05)
    assert "a" not in groups


def test_columns_have_no_tables_and_take_no_number():
    _, groups = read(f"backbone {{ {block('p', 'b')} {block('r', 'a', 'raw_input { }')} }} model_params {{ }}")
    assert {name: (group.scope, group.is_plain) for name, group in groups.items()} == {
        "a/columns": ("a/columns", True),
        "b": ("input_layer", False),
    }


def test_histories_that_are_read_step_by_step_are_known():
    steps = "input_layer { output_seq_and_normal_feature: true %s }"
    _, groups = read(f"backbone {{ {block('p', 'a', steps % '')} {block('q', 'b')} }} model_params {{ }}")
    assert (groups["a"].has_steps, groups["a"].joins_steps) == (True, True)
    assert not groups["b"].has_steps
    _, groups = read(f"backbone {{ {block('p', 'a', steps % 'concat_seq_feature: false')} }} model_params {{ }}")
    assert (groups["a"].has_steps, groups["a"].joins_steps) == (True, False)


def test_the_group_that_a_graph_takes_the_place_of_is_not_read():
    groups = 'feature_groups { group_name: "all" } feature_groups { group_name: "b" }'
    towers = 'task_towers { feature_group: "b" }'
    _, found = read(f"backbone {{ {block('p', 'b')} }} mmoe {{ {towers} }}", groups)
    assert list(found) == ["b"]
