"""Paths that stand for several fields, and the flags of EasyRec's commands."""

import json

import numpy as np
import pytest
from google.protobuf import text_format

from easymtl.config.edit_paths import PathError, field_at, split_path, written_paths
from easymtl.config.edits import overrides_of, overrides_of_values
from easymtl.config.overrides import apply_overrides
from easymtl.config.problems import Findings, Places
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline

FEATURES = """
  {0} {{ input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }}
  {0} {{ input_names: "item" feature_type: IdFeature hash_bucket_size: 100 embedding_dim: 4 }}
  {0} {{ input_names: "tags" input_names: "weights" feature_type: TagFeature hash_bucket_size: 20 embedding_dim: 8 }}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    text = 'data_config { label_fields: ["a", "b"] }' + FEATURES.format("feature_configs")
    return text_format.Parse(text, Pipeline())


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("feature_configs[:].embedding_dim", [0, 1, 2]),
        ("feature_configs[1:].embedding_dim", [1, 2]),
        ("feature_configs[:1].embedding_dim", [0]),
        ("feature_configs[0:2].embedding_dim", [0, 1]),
        ("feature_configs[1:9].embedding_dim", [1, 2]),
        ("feature_configs[input_names[0]=item].embedding_dim", [1]),
        ('feature_configs[input_names[0]="item"].embedding_dim', [1]),
        ("feature_configs[input_names[1]=weights].embedding_dim", [2]),
        ("feature_configs[feature_type=IdFeature].embedding_dim", [0, 1]),
        ("feature_configs[hash_bucket_size>=50].embedding_dim", [0, 1]),
        ("feature_configs[hash_bucket_size>50].embedding_dim", [1]),
        ("feature_configs[hash_bucket_size<=50].embedding_dim", [0, 2]),
        ("feature_configs[ hash_bucket_size < 5e1 ].embedding_dim", [2]),
    ],
)
def test_a_selector_stands_for_items(pipeline, path, places):
    expected = [f"feature_configs[{place}].embedding_dim" for place in places]
    assert written_paths(pipeline, path) == expected
    under_one_name = Pipeline()
    under_one_name.feature_config.features.extend(pipeline.feature_configs)
    there = [path.replace("feature_configs", "feature_config.features") for path in expected]
    assert written_paths(under_one_name, path) == there
    assert written_paths(under_one_name, path.replace("feature_configs", "feature_config.features")) == there


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        *(("need_key_feature=True", 0), ("need_key_feature=1", 0)),
        *(("need_key_feature=false", 1), ("need_key_feature=0", 1)),
        *(("group_name='b", 1), ("group_name = 'a' ", 0)),
    ],
)
def test_values_of_conditions(condition, place):
    text = """model_config { feature_groups {
        sequence_features { group_name: "a" need_key_feature: true }
        sequence_features { group_name: "'b" need_key_feature: false }
    } }"""
    path = "model_config.feature_groups[0].sequence_features[{}].group_name"
    pipeline = text_format.Parse(text, Pipeline())
    assert written_paths(pipeline, path.format(condition)) == [path.format(place)]
    with pytest.raises(PathError, match='"maybe" is neither true nor false'):
        written_paths(pipeline, path.format("need_key_feature=maybe"))


@pytest.mark.parametrize(
    "path", ["train_config.num_steps", "feature_configs[0].embedding_dim", "nothing.there", "a..b"]
)
def test_a_plain_path_is_itself(pipeline, path):
    assert written_paths(pipeline, path) == [path]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("feature_config[:].x", "feature_config is no list; leave out [:]."),
        ("feature_confgs[:].x", 'the config has no field "feature_confgs". Did you mean "feature_configs"?'),
        ("feature_configs[5:].x", "feature_configs[5:] stands for nothing: the list has 3 items."),
        ("feature_configs[input_names[0]=itme].x", 'stands for nothing: the items have "user", "item", "tags".'),
        ("feature_configs[input_name=item].x", 'no item has the field "input_name".'),
        ("feature_configs[hash_bucket_size>many].x", '"many" is no number.'),
        ("feature_configs[first].x", "feature_configs[first] is no index such as [0], no range such as [0:2], and no"),
        ("data_config.label_fields[b=a]", "is no index such as [0]"),
    ],
)
def test_a_selector_that_stands_for_nothing_is_told(pipeline, path, says):
    with pytest.raises(PathError) as caught:
        written_paths(pipeline, path)
    assert says in str(caught.value)


def test_dots_in_brackets_do_not_split():
    assert split_path("a.b[c.d[0]=1.5].e") == ["a", "b[c.d[0]=1.5]", "e"]


def apply(pipeline: Pipeline, overrides: list[str]) -> list[str]:
    findings = Findings(Places("x.config"))
    apply_overrides(pipeline, overrides, findings)
    return [str(problem) for problem in findings.problems]


EDITS = {
    "train_config.num_steps": 10,
    "train_config.gradient_clipping_by_norm": 2.5,
    "train_config.is_profiling": True,
    "train_config.mixed_precision": "FLOAT32",
    "data_config": {"batch_size": "64", "label_fields": ["x", "y, z", ""]},
    "model_dir": " a;b ",
    "feature_configs[:].hash_bucket_size": 100,
    "feature_configs[0].embedding_dim; feature_configs[input_names[0]=item].embedding_dim": "16;32",
}


def test_a_json_of_edits_is_applied_as_set_is(pipeline):
    assert apply(pipeline, overrides_of({}, json.dumps(EDITS))) == []
    train, data = pipeline.train_config, pipeline.data_config
    assert (train.num_steps, train.gradient_clipping_by_norm, train.is_profiling) == (10, 2.5, True)
    assert train.mixed_precision == train.FLOAT32
    assert (data.batch_size, list(data.label_fields), pipeline.model_dir) == (64, ["x", "y, z", ""], " a;b ")
    sizes = [(feature.hash_bucket_size, feature.embedding_dim) for feature in pipeline.feature_configs]
    assert sizes == [(100, 16), (100, 32), (100, 8)]


def test_flags_of_one_field_come_before_edits():
    flags = {"model_dir": '~/a "b"', "train_input_path": None, "fine_tune_checkpoint": "x/model.ckpt-1"}
    pipeline = Pipeline()
    assert apply(pipeline, overrides_of(flags, '{"train_config.fine_tune_checkpoint": "y"}')) == []
    assert (pipeline.model_dir, pipeline.train_config.fine_tune_checkpoint) == ('~/a "b"', "y")
    assert not pipeline.HasField("train_input_path")


def test_a_path_that_stands_there_twice_counts_twice(pipeline):
    text = '{"feature_configs[:].embedding_dim": 16, "feature_configs[0].embedding_dim": 2}'
    assert apply(pipeline, overrides_of({}, text)) == []
    assert [feature.embedding_dim for feature in pipeline.feature_configs] == [2, 16, 16]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{'a': 1}", "this is no JSON: Expecting property name"),
        ("[1]", "this is no object of paths and values, such as"),
        ('{"train_config.num_steps": null}', '"train_config.num_steps" is null; a value is a text, a number'),
        ('{"a": [[1]]}', '"a" is [[1]]; a value is'),
        ('{"a;b": 1}', '"a;b" has 2 paths and 1 values'),
    ],
)
def test_what_is_no_object_of_edits_is_told(text, says):
    with pytest.raises(UserError) as caught:
        overrides_of({}, text)
    assert str(caught.value).startswith("--edit_config_json: ")
    assert says in str(caught.value)


def test_a_problem_names_the_flag_that_it_came_by(pipeline):
    text = json.dumps({"train_config.num_stepz": 1, "feature_configs[9].embedding_dim": 1})
    first, second = apply(pipeline, [*overrides_of({"eval_input_path": "x"}, text)])
    assert first == ('--edit_config_json: train_config has no field "num_stepz". Did you mean "num_steps"?')
    assert second.startswith("--edit_config_json: feature_configs[9] is out of range")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("feature_configs[2].embedding_dim", 8),
        ("feature_configs[2].input_names[1]", "weights"),
        ("data_config.label_fields", ["a", "b"]),
        ("data_config.batch_size", 32),
        ("model_config.mmoe.num_expert", 3),
    ],
)
def test_a_field_is_found_with_its_value(pipeline, path, value):
    pipeline.model_config.mmoe.num_expert = 3
    descriptor, found = field_at(pipeline, path)
    assert found == value and descriptor.name == path.rpartition(".")[2].partition("[")[0]


@pytest.mark.parametrize(
    "path",
    [
        "feature_configs[3].embedding_dim",
        "feature_configs[0].input_names[1]",
        "feature_configs[0].no_such_field",
        "data_config.batch_size.more",
        # Of a oneof the other member is set.
        "model_config.ple.expert_dnn",
    ],
)
def test_a_field_that_is_not_there_is_not_found(pipeline, path):
    pipeline.model_config.mmoe.num_expert = 3
    assert field_at(pipeline, path) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.array([8, 4]), "[8, 4]"),
        (np.array([], int), "[]"),
        ([np.float64(0.5)], "[0.5]"),
    ],
)
def test_values_of_numpy_are_those_of_python(value, text):
    assert [str(one) for one in overrides_of_values({"path": value})] == [f"path={text}"]


@pytest.mark.parametrize("value", [np.array([[8, 4]]), {8, 4}, b"8", object()])
def test_a_value_that_no_field_can_have_is_refused(value):
    with pytest.raises(UserError, match=r'overrides: "path" is .*; a value is a text, a number'):
        overrides_of_values({"path": value})
