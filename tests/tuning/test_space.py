"""Spaces: what may stand in them, and what a mistake is told as."""

import pytest

from easymtl.config.problems import ConfigError
from easymtl.tuning.space import names_of, parse_space
from tests.tuning.conftest import RATE, plan

EXPERTS = "model_config.mmoe.num_expert"


def mistakes(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        plan(text)
    return str(error.value)


def test_a_space_is_read_with_names_that_tell_its_fields_apart():
    space = parse_space(
        'field { path: "a.width" int { low: 1 high: 2 } } field { path: "b.width" int { low: 1 high: 2 } }'
        'field { path: "c.rates[0]" name: "rate" float { low: 1 high: 2 } }'
        'field { path: "d.items[name=x.y].size" float { low: 1 high: 2 } }'
    )
    assert names_of(space.message) == ["a.width", "b.width", "rate", "size"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["space.textproto: the space is empty"]),
        (f'field {{\n  pth: "{EXPERTS}"\n}}', ["space.textproto:2", 'no field "pth"', 'Did you mean "path"?']),
        ("field {\n int { low: 1 high: 2 } }", ["space.textproto:1", "names no path"]),
        (f'field {{ path: "{EXPERTS}" }}', ["space.textproto:1", "has no range"]),
        (f'field {{ path: "{EXPERTS}"\n int {{ low: 3 }} }}', ["space.textproto:2", "has no high"]),
        (f'field {{ path: "{EXPERTS}"\n int {{ low: 3 high: 3 }} }}', [":2", "low is 3 and high is 3"]),
        (f'field {{ path: "{RATE}" float {{\nlow: 0 high: 1 log: true }} }}', [":2", "it has to be above 0"]),
        (f'field {{ path: "{RATE}" float {{ low: 1 high: 2 log: true\nstep: 1 }} }}', [":2", "exclude each other"]),
        (f'field {{ path: "{RATE}" float {{ low: 1 high: 2\nstep: 0 }} }}', [":2", "outside of (0, inf)"]),
        (
            f'field {{ path: "{RATE}" float {{ low: 1 high: 2\nstep: 3 }} }}',
            [":2", "is 3, more than"],
        ),
        (f'field {{ path: "{RATE}" float {{ low: 1\nhigh: inf }} }}', [":2", "no finite number"]),
        (f'field {{ path: "{EXPERTS}"\n choice {{ value: "2" }} }}', [":2", "at least two different values"]),
        (f'field {{ path: "{EXPERTS}"\n choice {{ value: ["2", "3", "2"] }} }}', [":2", 'has "2" twice']),
        ("task_weights {}", ["has no range", "simplex {}"]),
        ("task_weights { log_range { low: 3 high: 2 } }", ["low is 3 and high is 2"]),
        (
            f'field {{ name: "x" path: "{EXPERTS}" int {{ low: 2 high: 3 }} }}\n'
            f'field {{ name: "x" path: "{RATE}" float {{ low: 2 high: 3 }} }}',
            ["space.textproto:2", 'a second one of the name "x"'],
        ),
    ],
)
def test_a_mistake_in_a_space_is_told_by_line(text, says):
    message = mistakes(text)
    assert all(part in message for part in says), message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '\nfield {\n  path: "model_config.mmoe.num_experts" int { low: 2 high: 3 } }',
            ["space.textproto:3", 'no field "num_experts"', 'Did you mean "num_expert"?', "1 problem in"],
        ),
        ('field { path: "feature_configs[a=b].x" int { low: 2 high: 3 } }', ["no item has the field"]),
        (f'field {{ path: "{EXPERTS}"\n int {{\n low: -2 high: 3 }} }}', [":3", "-2", "must lie between"]),
        (
            f'field {{ path: "{EXPERTS}"\n float {{ low: 2 high: 3 }} }}',
            [":2", "a field of whole numbers", "Write int"],
        ),
        (
            'field { path: "model_config.mmoe.task_towers[0].weight" float { low: -1\nhigh: 1.5 } }',
            ["space.textproto:1", "value -1.0", "outside of [0, inf)", "1 problem in"],
        ),
        ('field { path: "model_dir"\n choice { value: ["a", "b"] } }', ["a folder of its own"]),
        ('field { path: "eval_input_path"\n choice { value: ["a", "b"] } }', ["cannot be compared"]),
        ('field { path: "parquet_eval_input"\n choice { value: ["a", "b"] } }', ["cannot be compared"]),
        ('field { path: "eval_config.num_examples"\n int { low: 1 high: 2 } }', ["cannot be compared"]),
        ('field { path: "train_config.seed"\n int { low: 1 high: 2 } }', ["--seeds"]),
        (
            f'field {{ path: "{EXPERTS}" int {{ low: 2 high: 3 }} }}\n'
            f'field {{ name: "x" path: "{EXPERTS}" int {{ low: 2 high: 3 }} }}',
            ["space.textproto:2", "Leave one of them out"],
        ),
        (
            'field { path: "model_config.mmoe.expert_dnn.hidden_units" choice { value: ["[8]", "[6]"] } }\n'
            'field { path: "model_config.mmoe.expert_dnn.hidden_units[0]" name: "first" int { low: 2 high: 3 } }',
            ["space.textproto:2", "Leave one of them out"],
        ),
        (
            'field { path: "model_config.mmoe.task_towers[1].weight" float { low: 1 high: 3 } }\n'
            "task_weights { simplex {} }",
            ["space.textproto:1", "task_weights writes"],
        ),
        (
            "task_weights { log_range {} }\n"
            f'field {{ name: "weight of buy" path: "{RATE}" float {{ low: 1 high: 3 }} }}',
            ["space.textproto:2", 'the name "weight of buy", which task_weights draws'],
        ),
        ('task_weights {\n tower: "clik" simplex {} }', ["space.textproto:2", 'Did you mean "click"?']),
        ('task_weights { tower: "click" simplex {} }', ["at least two towers"]),
        ("task_weights { simplex { least: 0.5 } }", ["less than 1/2"]),
        (
            'field { path: "train_config.num_steps" choice { value: ["20", "many"] } }',
            ["many", "whole number"],
        ),
    ],
)
def test_a_range_that_the_config_cannot_have_is_refused_before_the_first_trial(text, says):
    message = mistakes(text)
    assert all(part in message for part in says), message


def test_values_that_are_right_alone_and_wrong_together_are_refused():
    text = """
    field { path: "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate"
            float { low: 1e-3 high: 1e-2 } }
    field { path: "model_config.mmoe.expert_dnn.dropout_ratio"
            choice { value: ["[0.1, 0.1]", "[0.2, 0.3]"] } }
    field { path: "model_config.mmoe.expert_dnn.hidden_units" choice { value: ["[8, 6]", "[8, 6, 4]"] } }
    """
    assert "dropout" in mistakes(text)


def test_a_field_of_all_features_is_one_value():
    assert [
        draw.paths for draw in plan('field { path: "feature_configs[:].embedding_dim" int { low: 2 high: 4 } }').draws
    ]
