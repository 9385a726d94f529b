"""Mistakes in funnels: parents, ESMM and ESCM2, the chains of AITM."""

import pytest

from easymtl.config import view

TOWERS = """
    task_towers { tower_name: "click" label_name: "click" metrics_set { auc { } } %s }
    task_towers { tower_name: "order" label_name: "click" parent: "click" metrics_set { auc { } } %s }
"""
PAIR = """
    ctr_tower { tower_name: "ctr" label_name: "click" metrics_set { auc { } } %s }
    cvr_tower { tower_name: "cvr" label_name: "click" metrics_set { auc { } } %s }
"""
CHAIN = """
    task_towers { tower_name: "a" label_name: "click" %s }
    task_towers { tower_name: "b" label_name: "click" %s }
    task_towers { tower_name: "c" label_name: "click" }
"""


def body(model: str, towers: str, first: str = "", second: str = "", more: str = "") -> str:
    return f"{model} {{ {more} {towers % (first, second)} }}"


@pytest.fixture
def check(base, problems):
    def run(text: str) -> list[str]:
        return problems(text=base.partition("  dbmtl {")[0] + "  " + text + "\n}\n")

    return run


RIGHT = {
    "a parent": body("simple_multi_task", TOWERS),
    "a value": body("simple_multi_task", TOWERS.replace("metrics_set { auc { } } %s", "%s"), "", "loss_type: L2_LOSS"),
    "esmm": body("esmm", PAIR),
    "esmm with groups": body("esmm", PAIR, more='groups { input: "all" dnn { hidden_units: 4 } }'),
    "escm2": body("escm2", PAIR, more="counterfactual: DR imputation_dnn { hidden_units: 4 }"),
    "aitm": body("aitm", CHAIN),
    "aitm with a tree": body("aitm", CHAIN, 'relation_tower_names: "c"', 'relation_tower_names: "c"'),
    "aitm of a value": body("aitm", CHAIN, "loss_type: L2_LOSS", more="calibration_weight: 0"),
}
WRONG = {
    "an unknown parent": (
        body("simple_multi_task", TOWERS, 'parent: "clik"'),
        'task_towers[0].parent "clik" is not in the towers ("click", "order"). Did you mean "click"?',
    ),
    "a circle": (
        body("simple_multi_task", TOWERS, 'parent: "order"'),
        "click. One of these towers must happen without the others.",
    ),
    "its own parent": (body("simple_multi_task", TOWERS, 'parent: "click"'), "makes a circle: click needs click"),
    "a value as parent": (
        body("simple_multi_task", TOWERS.replace("auc", "mean_squared_error", 1), "loss_type: L2_LOSS"),
        'task_towers[1].parent "click" predicts no probability of one event',
    ),
    "classes with a parent": (
        body("simple_multi_task", TOWERS, "", "num_class: 2"),
        "task_towers[1].num_class is 2, but a tower with a parent predicts one event or one value",
    ),
    "rows without the parent left out": (
        body("simple_multi_task", TOWERS, "", 'task_space_indicator_label: "click" out_task_space_weight: 0'),
        'task_space_indicator_label "click" leaves out the rows where the parent did not happen',
    ),
    "esmm without a click": ('esmm { cvr_tower { tower_name: "b" label_name: "click" } }', "esmm needs ctr_tower."),
    "esmm with a parent": (body("esmm", PAIR, "", 'parent: "ctr"'), "cvr_tower.parent is given by the model"),
    "esmm of classes": (body("esmm", PAIR, "num_class: 2"), "esmm.ctr_tower"),
    "a group twice": (
        body("esmm", PAIR, more='groups { input: "all" } groups { input: "all" }'),
        'groups[1].input "all" is taken',
    ),
    "a group without a name": (body("esmm", PAIR, more="groups { }"), "esmm.groups[0] needs input"),
    "the joint's name": (
        body("esmm", PAIR).replace('"cvr"', '"ctcvr"'),
        'cvr_tower.tower_name "ctcvr" is a name of what the model makes of its towers',
    ),
    "two losses in escm2": (
        body("escm2", PAIR, "", "losses { loss_type: CLASSIFICATION } losses { loss_type: CROSS_ENTROPY_LOSS }"),
        "cvr_tower.losses are several; the counterfactual loss is that of one",
    ),
    "two that hand on": (
        body("aitm", CHAIN, 'relation_tower_names: ["b", "c"]'),
        'relation_tower_names are "b", "c"; in aitm one tower hands on to another',
    ),
    "a relation network in aitm": (
        body("aitm", CHAIN, "", 'relation_tower_names: "a" relation_dnn { hidden_units: 4 }'),
        "relation_dnn is not read by aitm",
    ),
    "calibration of a value": (
        body("aitm", CHAIN, "", "loss_type: L2_LOSS"),
        'aitm.calibration_weight needs probabilities, and the tower "b" predicts none',
    ),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_right_funnels_pass(check, text):
    assert check(text) == []


@pytest.mark.parametrize("text, expected", WRONG.values(), ids=WRONG)
def test_mistakes_are_named(check, text, expected):
    lines = check(text)
    assert any(expected in line for line in lines), lines


def test_a_tower_may_not_have_the_name_of_results(check):
    third = 'task_towers { tower_name: "order_given_click" label_name: "click" }'
    lines = check(body("simple_multi_task", TOWERS + third))
    assert any('task_towers[2].tower_name "order_given_click" is what the results of "order" given' in x for x in lines)


def test_results_of_funnels_can_choose_the_best_export(base, load):
    def results(text: str, name: str) -> list[str]:
        config = load(text=base.partition("  dbmtl {")[0] + "  " + text + "\n}\n")
        return view.results_of_metric(config.pipeline, name)

    assert results(body("simple_multi_task", TOWERS), "auc") == ["auc_click", "auc_order"]
    assert results(body("simple_multi_task", TOWERS), "auc_order_given_click") == ["auc_order_given_click"]
    assert results(body("esmm", PAIR), "auc") == ["auc_ctr", "auc_ctcvr"]
    assert results(body("escm2", PAIR), "auc_cvr_masked") == ["auc_cvr_masked"]
