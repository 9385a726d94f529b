"""What is drawn, and what it comes to in a config."""

import json

import numpy as np
import optuna
import pytest

from easymtl.config import parse_config, view
from easymtl.tuning.current_values import current_values
from easymtl.tuning.sampling import overrides_of_drawn, settings_of, simplex_parts, simplex_weights
from tests.api.shop import CONFIG
from tests.tuning.conftest import RATE, plan

ALL_KINDS = f"""
field {{ path: "{RATE}" float {{ low: 1e-4 high: 1e-1 log: true }} }}
field {{ path: "train_config.num_steps" int {{ low: 10 high: 50 step: 10 }} }}
field {{ path: "feature_configs[:].embedding_dim" choice {{ value: ["4", "8"] }} }}
field {{ path: "model_config.mmoe.expert_dnn.hidden_units" choice {{ value: ["[8, 6]", "[5]"] }} }}
"""


def drawn_of(made_of, seed: int = 0) -> dict:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    return {draw.name: draw.draw(trial) for draw in made_of.draws}


def test_each_kind_of_range_is_drawn_from_and_set():
    made_of = plan(ALL_KINDS)
    seen = set()
    for seed in range(30):
        drawn = drawn_of(made_of, seed)
        pipeline = parse_config(CONFIG, "x", overrides_of_drawn(made_of.space, made_of.config.pipeline, drawn)).pipeline
        optimizer = pipeline.train_config.optimizer_config[0].adam_optimizer
        rate = optimizer.learning_rate.constant_learning_rate.learning_rate
        assert 0.99e-4 <= rate <= 1.01e-1 and rate == pytest.approx(drawn["learning_rate"], rel=1e-3)
        assert pipeline.train_config.num_steps in (10, 20, 30, 40, 50)
        assert {feature.embedding_dim for feature in view.features(pipeline)} == {int(drawn["embedding_dim"])}
        seen.add(
            (rate < 3e-3, pipeline.train_config.num_steps, tuple(pipeline.model_config.mmoe.expert_dnn.hidden_units))
        )
    assert {first for first, _, _ in seen} == {True, False}, "log: half of the rates are below the geometric mean"
    assert {steps for _, steps, _ in seen} == {10, 20, 30, 40, 50}
    assert {units for *_, units in seen} == {(8, 6), (5,)}


def test_settings_tell_what_is_in_the_config():
    made_of = plan(ALL_KINDS)
    settings = settings_of(
        made_of.space,
        made_of.config.pipeline,
        {
            "learning_rate": 0.0012345678901,
            "num_steps": 20,
            "embedding_dim": "8",
            "hidden_units": "[5]",
        },
    )
    assert settings == {"learning_rate": "0.001235", "num_steps": "20", "embedding_dim": "8", "hidden_units": "[5]"}


@pytest.mark.parametrize("number", [2, 3, 5])
def test_weights_of_a_simplex_are_uniform_on_it(number):
    random = np.random.default_rng(1)
    weights = np.array([simplex_weights(random.random(number - 1), 0.0) for _ in range(20_000)])
    np.testing.assert_allclose(weights.sum(1), number)
    # Each share of a Dirichlet distribution of ones has mean 1/n and variance (n - 1) / (n² (n + 1)).
    np.testing.assert_allclose(weights.mean(0) / number, 1 / number, rtol=0.03)
    np.testing.assert_allclose(weights.var(0) / number**2, (number - 1) / (number**2 * (number + 1)), rtol=0.05)


def test_no_weight_of_a_simplex_is_below_the_least_and_the_parts_come_back():
    random = np.random.default_rng(2)
    for _ in range(100):
        parts = list(random.random(3))
        weights = simplex_weights(parts, 0.1)
        assert sum(weights) == pytest.approx(4) and min(weights) >= 0.4
        np.testing.assert_allclose(simplex_parts(weights, 0.1), parts, atol=1e-9)
    assert simplex_parts([0.01, 1.99], 0.1) is None


def test_task_weights_are_set_at_the_towers():
    made_of = plan("task_weights { simplex { least: 0.1 } }")
    overrides = overrides_of_drawn(made_of.space, made_of.config.pipeline, {"share of click": 0.25})
    towers = parse_config(CONFIG, "x", overrides).pipeline.model_config.mmoe.task_towers
    assert [tower.weight for tower in towers] == pytest.approx([2 * (0.1 + 0.8 * 0.25), 2 * (0.1 + 0.8 * 0.75)])
    made_of = plan('task_weights { tower: "buy" log_range { low: 0.5 high: 2 } }')
    assert [(draw.name, draw.ends) for draw in made_of.draws] == [("weight of buy", (0.5, 2.0))]


def test_the_config_as_it_stands_can_be_drawn_where_the_ranges_hold_it():
    made_of = plan(ALL_KINDS.replace('"feature_configs[:].', '"feature_configs[0].') + "task_weights { simplex {} }")
    current = current_values(made_of.space, made_of.config.pipeline)
    assert current == {
        "learning_rate": pytest.approx(0.01),
        "num_steps": 20,
        "embedding_dim": "4",
        "hidden_units": "[8, 6]",
        "share of click": pytest.approx(0.5),
    }
    overrides = overrides_of_drawn(made_of.space, made_of.config.pipeline, current)
    changed = parse_config(CONFIG, "x", overrides).pipeline
    expected = parse_config(CONFIG, "x").pipeline
    for tower in expected.model_config.mmoe.task_towers:
        tower.weight = 1.0
    assert changed == expected


@pytest.mark.parametrize(
    ("path", "choices", "current"),
    [
        (RATE, ["0.1", "1.0e-2"], "1.0e-2"),
        ("train_config.mixed_precision", ["BFLOAT16", "FLOAT32"], "FLOAT32"),
        ("model_config.mmoe.expert_dnn.use_bn", ["false", "true"], "true"),
        ("model_config.mmoe.expert_dnn.activation", ["'swish'", '"tf.nn.relu"'], '"tf.nn.relu"'),
        ("model_config.mmoe.task_towers[0].dnn.hidden_units", ["[4, 4]", "4"], "4"),
    ],
)
def test_a_choice_is_the_value_of_the_config_however_it_is_written(path, choices, current):
    values = ", ".join(f"{json.dumps(choice)}" for choice in choices)
    made_of = plan(f'field {{ path: "{path}" name: "x" choice {{ value: [{values}] }} }}')
    assert current_values(made_of.space, made_of.config.pipeline) == {"x": current}


def test_weights_of_another_sum_are_on_no_simplex():
    text = CONFIG.replace('label_name: "click"', 'label_name: "click" weight: 3')
    made_of = plan("task_weights { simplex {} }", text=text)
    assert current_values(made_of.space, made_of.config.pipeline) is None


def test_a_config_of_many_digits_is_the_first_trial_as_it_stands():
    text = CONFIG.replace("learning_rate: 0.01", "learning_rate: 0.00123456")
    text = text.replace('label_name: "click"', 'label_name: "click" weight: 0.812345')
    text = text.replace('label_name: "buy"', 'label_name: "buy" weight: 1.187655')
    rate = f'field {{ path: "{RATE}" float {{ low: 1e-4 high: 1e-1 log: true }} }}'
    for weights in ("task_weights { simplex {} }", "task_weights { log_range {} }"):
        made_of = plan(rate + weights, text=text)
        current = current_values(made_of.space, made_of.config.pipeline)
        overrides = overrides_of_drawn(made_of.space, made_of.config.pipeline, current)
        assert parse_config(text, "x", overrides).pipeline == made_of.config.pipeline, overrides


@pytest.mark.parametrize(("step", "text"), [("0.05", "0.15"), ("0.00005", "0.12345"), ("0.5", "12345.5")])
def test_numbers_of_a_step_stay_on_it(step, text):
    made_of = plan(f'field {{ path: "{RATE}" float {{ low: 0 high: 20000 step: {step} }} }}')
    drawn = float(step) * round(float(text) / float(step))
    (override,) = overrides_of_drawn(made_of.space, made_of.config.pipeline, {"learning_rate": drawn})
    assert override == f"{RATE}={text}"


@pytest.mark.parametrize(
    "space",
    [
        ALL_KINDS,  # the features have several widths
        'field { path: "model_config.mmoe.num_expert" int { low: 3 high: 8 } }',
        'field { path: "train_config.num_steps" int { low: 1 high: 51 step: 10 } }',
        'field { path: "model_config.mmoe.expert_dnn.hidden_units" choice { value: ["[8]", "[6]"] } }',
        'field { path: "model_config.mmoe.expert_dnn.dropout_ratio[0]" name: "first" float { low: 0 high: 0.5 } }'
        'field { path: "model_config.mmoe.expert_dnn.dropout_ratio[1]" name: "second" float { low: 0 high: 0.5 } }',
        "task_weights { log_range { low: 2 high: 3 } }",
    ],
)
def test_a_config_that_the_ranges_do_not_hold_is_no_trial(space):
    made_of = plan(space)
    assert current_values(made_of.space, made_of.config.pipeline) is None
