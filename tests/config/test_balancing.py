"""Rules of task balancing: what is refused, what is noted, what is accepted."""

import pytest

from easymtl.config import load_config
from easymtl.config.problems import ConfigError
from easymtl.config.rules.balancing import _METHODS, _OF_GRADIENTS
from tests.errors.project import CONFIG, replaced

ONE_TOWER = CONFIG[: CONFIG.index('    task_towers {\n      tower_name: "cvr"')] + "  }\n}\n"
UNSHARED = (("  dbmtl {", "  simple_multi_task {"), ("    bottom_dnn { hidden_units: [8, 6] }\n", ""))


def load(tmp_path, balancing: str, *changes: tuple[str, str], text: str = CONFIG, train: str = ""):
    method = f"task_balancing {{ {balancing} }}" if balancing else ""
    path = tmp_path / "x.config"
    path.write_text(replaced(text, ("num_steps: 2", f"num_steps: 2 {method} {train}"), *changes))
    return load_config(str(path))


def problems(tmp_path, *arguments, **keywords) -> str:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, *arguments, **keywords)
    return str(error.value)


def test_every_method_is_either_of_losses_or_of_gradients():
    assert set(_METHODS) - set(_OF_GRADIENTS) == {"uncertainty", "random", "dwa"}


@pytest.mark.parametrize("method", _METHODS)
def test_every_method_is_accepted_by_a_model_that_shares_layers(tmp_path, method):
    assert load(tmp_path, f"{method} {{ }}").pipeline.train_config.task_balancing.WhichOneof("method") == method


@pytest.mark.parametrize("method", _METHODS)
def test_one_tower_has_nothing_to_balance(tmp_path, method):
    text = problems(tmp_path, f"{method} {{ }}", text=ONE_TOWER)
    assert f'task_balancing.{method} weighs tasks against each other, and the model has one tower ("ctr")' in text


@pytest.mark.parametrize("method", _METHODS)
def test_gradients_need_shared_layers_and_losses_do_not(tmp_path, method):
    changes = (*UNSHARED, ('      relation_tower_names: "ctr"\n', ""))
    if method not in _OF_GRADIENTS:
        load(tmp_path, f"{method} {{ }}", *changes)
        return
    assert "share embeddings only" in problems(tmp_path, f"{method} {{ }}", *changes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dwa { temperature: 0 }", "dwa.temperature is 0, outside of (0, inf)"),
        ("dwa { window_steps: 0 }", "dwa.window_steps is 0, outside of (0, inf)"),
        ("gradnorm { alpha: -1 }", "gradnorm.alpha is -1, outside of [0, inf)"),
        ("gradnorm { learning_rate: 1 }", "gradnorm.learning_rate is 1, outside of (0, 1)"),
        ("mgda { max_iterations: 0 }", "mgda.max_iterations is 0, outside of (0, 10000]"),
        ("cagrad { c: 1 }", "cagrad.c is 1, outside of [0, 1)"),
        ("nash_mtl { update_every: 0 }", "nash_mtl.update_every is 0, outside of (0, inf)"),
        ("pareto { min_weight: 1 }", "pareto.min_weight is 1, outside of [0, 1)"),
        (
            "pareto { min_weight: 0.34 }",
            "sum to 1.02 over 3 towers; the weights sum to 1, so lower min_weight",
        ),
        ('pareto { floors { tower_name: "cvx" } }', 'floors[0].tower_name "cvx" is not in the towers'),
        (
            'pareto { floors { tower_name: "cvr" } floors { tower_name: "cvr" } }',
            "has it too. Keep one of them.",
        ),
        ("", ""),
    ],
)
def test_settings_are_checked(tmp_path, text, words):
    if not text:
        load(tmp_path, 'pareto { min_weight: 0.3 floors { tower_name: "cvr" min_weight: 0.4 } }')
        return
    assert words in problems(tmp_path, text)


def test_a_method_with_a_typo_is_one_problem(tmp_path):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, "pcgrd { }")
    assert len(error.value.problems) == 1


def test_two_ways_to_weigh_losses_are_one_too_many(tmp_path):
    change = ("  dbmtl {", "  loss_weight_strategy: Random\n  dbmtl {")
    assert "loss_weight_strategy Random both weigh the losses" in problems(tmp_path, "mgda { }", change)


def test_comparing_gradients_needs_several_tasks_that_share_layers(tmp_path):
    every = "log_gradient_conflict_every: 10"
    assert load(tmp_path, "", train=every).pipeline.train_config.log_gradient_conflict_every == 10
    alone = problems(tmp_path, "", text=ONE_TOWER, train=every)
    assert "log_gradient_conflict_every compares tasks against each other, and the model has one tower" in alone
    changes = (*UNSHARED, ('      relation_tower_names: "ctr"\n', ""))
    unshared = problems(tmp_path, "", *changes, train=every)
    assert "log_gradient_conflict_every looks at the dense weights" in unshared
    assert "leave it out, or take a model with shared layers" in unshared


def test_a_calibration_between_towers_has_no_learned_weight(tmp_path):
    losses = "losses { loss_type: CLASSIFICATION } losses { loss_type: ORDER_CALIBRATE_LOSS learn_loss_weight: true }"
    change = ('      relation_tower_names: "ctr"\n', f'      relation_tower_names: "ctr"\n      {losses}\n')
    strategy = ("  dbmtl {", "  loss_weight_strategy: Uncertainty\n  dbmtl {")
    assert "set the weight of ORDER_CALIBRATE_LOSS by hand" in problems(tmp_path, "", change, strategy)
