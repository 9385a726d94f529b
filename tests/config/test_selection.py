"""`--tasks`: a config with some of its towers is the config that would have been written with those alone."""

import pytest
from google.protobuf import text_format

from easymtl.config import load_config
from easymtl.config.problems import Findings, Places
from easymtl.config.selection import select_tasks
from easymtl.protos.pipeline_pb2 import Pipeline
from tests.config.conftest import BASE
from tests.errors.project import replaced

ALONE = ('relation_tower_names: "ctr"', "")
"""A change of the base config: its second tower needs no other one."""


def chosen(load, tasks, *changes, **options) -> Pipeline:
    return load(*changes, tasks=tasks, **options).pipeline


def names(pipeline: Pipeline) -> list[str]:
    return [tower.tower_name for tower in pipeline.model_config.dbmtl.task_towers]


@pytest.fixture
def load(load, tmp_path):
    """Loads the base config, changed, with some of its towers."""

    def load_tasks(*changes, tasks=None, text=BASE, overrides=()):
        (tmp_path / "x.config").write_text(replaced(text, *changes), encoding="utf-8")
        return load_config("x.config", overrides, tasks)

    return load_tasks


def refusal(load, tasks, *changes, **options) -> str:
    with pytest.raises(ValueError) as caught:
        load(*changes, tasks=tasks, **options)
    return str(caught.value)


def test_no_choice_changes_nothing(load):
    assert chosen(load, None) == text_format.Parse(BASE, Pipeline())
    assert chosen(load, ["stay", "cvr", "ctr"]) == text_format.Parse(BASE, Pipeline())


def test_one_task_is_compared_with_no_other(load):
    compares = ("train_config.log_gradient_conflict_every=50",)
    assert chosen(load, ["ctr"], overrides=compares).train_config.log_gradient_conflict_every == 0
    assert chosen(load, ["ctr", "cvr"], overrides=compares).train_config.log_gradient_conflict_every == 50


def test_towers_keep_the_order_of_the_config(load):
    assert names(chosen(load, ["stay", "ctr"])) == ["ctr", "stay"]
    assert names(chosen(load, ["stay", "stay"])) == ["stay"]


def test_the_rest_of_the_config_is_as_it_was(load):
    pipeline, whole = chosen(load, ["ctr"]), text_format.Parse(BASE, Pipeline())
    del whole.model_config.dbmtl.task_towers[1:]
    assert pipeline == whole


def test_a_label_by_place_stays_with_its_tower(load):
    pipeline = chosen(load, ["cvr", "stay"], ALONE, ('label_name: "order"', ""), ('label_name: "seconds"', ""))
    towers = pipeline.model_config.dbmtl.task_towers
    assert [tower.label_name for tower in towers] == ["order", "seconds"]


def test_a_tower_without_a_label_does_not_get_one_by_moving_up(load):
    message = refusal(load, ["stay"], ('label_name: "seconds"', ""), ('"order", "seconds"]', '"order"]'))
    assert "task_towers[2] has no label_name, and data_config.label_fields has no label for place 2" in message


def test_labels_that_a_tower_reads_as_weight_or_space_stay(load):
    space = ('relation_tower_names: "ctr"', 'task_space_indicator_label: "click" out_task_space_weight: 0')
    pipeline = chosen(load, ["cvr"], space)
    assert list(pipeline.data_config.label_fields) == ["click", "order", "seconds"]
    assert pipeline.model_config.dbmtl.task_towers[0].task_space_indicator_label == "click"


def test_labels_that_nobody_learns_because_of_the_choice_are_no_remark(load):
    assert load(tasks=["ctr"]).notes == []
    unused = ('label_name: "seconds"', 'label_name: "click"')
    assert ['"seconds" is learned by no tower' in note for note in load(unused, tasks=["ctr", "stay"]).notes] == [True]


def test_the_text_of_the_config_loads_to_the_choice(load, tmp_path):
    config = load(tasks=["ctr", "stay"])
    (tmp_path / "resolved.config").write_text(config.text())
    assert load_config("resolved.config").pipeline == config.pipeline
    assert load_config("resolved.config", tasks=["stay", "ctr"]).pipeline == config.pipeline


def test_places_move_along(load):
    wrong = ("metrics_set { mean_squared_error { } }", "metrics_set { auc { } }")
    whole, part = refusal(load, None, wrong), refusal(load, ["ctr", "stay"], wrong)
    assert "task_towers[2].metrics_set[0] auc does not fit" in whole
    assert part == whole.replace("task_towers[2]", "task_towers[1]")
    assert load(tasks=["stay"]).where("model_config.dbmtl.task_towers[0].label_name") == load().where(
        "model_config.dbmtl.task_towers[2].label_name"
    )


def test_overrides_count_the_towers_of_the_file(load):
    pipeline = chosen(load, ["stay"], overrides=["model_config.dbmtl.task_towers[2].weight=3"])
    assert pipeline.model_config.dbmtl.task_towers[0].weight == 3


OWN = (
    ('feature_names: ["user", "tags", "price"] }', """feature_names: ["user", "price"] }
  feature_groups { group_name: "mine" feature_names: "tags" }
  feature_groups { group_name: "ours" feature_names: "price" }"""),
    ('tower_name: "ctr"', 'tower_name: "ctr" feature_group: "mine"'),
    ('tower_name: "cvr"', 'tower_name: "cvr" feature_group: "ours"'),
    ('tower_name: "stay"', 'tower_name: "stay" feature_group: "ours"'),
)  # fmt: skip


@pytest.mark.parametrize(
    "tasks, groups",
    [(["ctr"], ["all", "mine"]), (["stay"], ["all", "ours"]), (["ctr", "cvr"], ["all", "mine", "ours"])],
)
def test_a_feature_group_goes_with_the_last_tower_that_reads_it(load, tasks, groups):
    pipeline = chosen(load, tasks, *OWN)
    assert [group.group_name for group in pipeline.model_config.feature_groups] == groups


def test_unknown_names(load):
    assert refusal(load, ["ctr", "cvrr"]) == (
        '1 problem in x.config:\n--tasks: "cvrr" is not in the towers ("ctr", "cvr", "stay"). Did you mean "cvr"?'
    )
    assert refusal(load, []).endswith('--tasks: names no tower; the towers are "ctr", "cvr", "stay".')


def test_a_tower_that_another_one_needs(load):
    message = refusal(load, ["cvr", "stay"])
    line = load().where("model_config.dbmtl.task_towers[1].relation_tower_names").removeprefix("x.config:")
    assert message.endswith(
        f'x.config:{line}: the tower "cvr" needs "ctr", which --tasks leaves out. Use --tasks ctr,cvr,stay.'
    )


def test_what_is_needed_is_told_with_what_that_needs(load):
    chain = ('tower_name: "stay"', 'tower_name: "stay" relation_tower_names: "cvr"')
    assert "Use --tasks ctr,cvr,stay." in refusal(load, ["stay"], chain)


def test_the_best_export_by_a_tower_that_is_left_out(load):
    best = ("data_config {", 'export_config { exporter_type: "best" best_exporter_metric: "auc_cvr" }\ndata_config {')
    assert chosen(load, ["ctr", "cvr"], best)
    message = refusal(load, ["ctr"], best)
    assert 'best_exporter_metric "auc_cvr" is of the tower "cvr", which --tasks leaves out' in message
    assert "--set export_config.best_exporter_metric=auc_ctr" in message
    assert message.startswith("1 problem")


def test_other_problems_are_told_beside(load):
    message = refusal(load, ["cvr"], ("hash_bucket_size: 50", ""))
    assert message.startswith("2 problems")


def test_a_parent_is_needed_as_a_relation_is(load):
    parent = ('relation_tower_names: "ctr"', 'parent: "ctr"')
    assert 'the tower "cvr" needs "ctr", which --tasks leaves out. Use --tasks ctr,cvr.' in refusal(
        load, ["cvr"], parent
    )
    assert names(chosen(load, ["ctr", "cvr"], parent)) == ["ctr", "cvr"]


ENTIRE_SPACE = """
    groups { input: "all" dnn { hidden_units: 4 } }
    ctr_tower { tower_name: "ctr" label_name: "click" dnn { hidden_units: 4 } }
    cvr_tower { tower_name: "cvr" label_name: "order" dnn { hidden_units: 4 } }
  }
}
"""


@pytest.mark.parametrize("model", ["esmm", "escm2"])
def test_models_of_the_entire_space_are_not_cut(load, model):
    text = f"{BASE[: BASE.index('  dbmtl {')]}  {model} {{{ENTIRE_SPACE}"
    message = refusal(load, ["ctr"], text=text)
    assert f"--tasks: cannot take one tower of {model}: its two towers are one model. Leave out --tasks." in message


def select(text: str, tasks: list[str]) -> Pipeline:
    pipeline = text_format.Parse(text, Pipeline())
    findings = Findings(Places("x.config"))
    select_tasks(pipeline, tasks, findings)
    assert not findings.problems
    return pipeline


def test_task_groups_lose_the_towers_and_go_when_they_are_empty():
    towers = "".join(f'task_towers {{ tower_name: "{name}" label_name: "{name}" }} ' for name in "abc")
    groups = 'task_groups { group_name: "x" tower_names: ["a", "b"] } task_groups { group_name: "y" tower_names: "c" }'
    home = select(f"model_config {{ home {{ {groups} {towers} }} }}", ["b"]).model_config.home
    assert [(group.group_name, list(group.tower_names)) for group in home.task_groups] == [("x", ["b"])]


def test_distillation_of_a_tower_goes_with_it():
    towers = "".join(f'task_towers {{ tower_name: "{name}" label_name: "{name}" }} ' for name in "ab")
    kd = 'kd { pred_name: "logits_a" soft_label_name: "s" } kd { pred_name: "probs_b" soft_label_name: "t" }'
    model = select(f"model_config {{ mmoe {{ {towers} }} {kd} }}", ["b"]).model_config
    assert [entry.pred_name for entry in model.kd] == ["probs_b"]


def test_floors_of_a_tower_go_with_it():
    towers = "".join(f'task_towers {{ tower_name: "{name}" label_name: "{name}" }} ' for name in "ab")
    floors = 'floors { tower_name: "a" min_weight: 0.3 } floors { tower_name: "b" min_weight: 0.2 }'
    train = f"train_config {{ task_balancing {{ pareto {{ {floors} }} }} }}"
    balancing = select(f"{train} model_config {{ mmoe {{ {towers} }} }}", ["b"]).train_config.task_balancing
    assert [floor.tower_name for floor in balancing.pareto.floors] == ["b"]


def test_a_choice_does_not_balance_what_the_config_does_not_balance():
    towers = "".join(f'task_towers {{ tower_name: "{name}" label_name: "{name}" }} ' for name in "ab")
    pipeline = select(f"model_config {{ mmoe {{ {towers} }} }}", ["b"])
    assert not pipeline.train_config.HasField("task_balancing")


def test_final_scores_of_other_towers_go_with_them(load):
    scores = [
        'final_score { name: "a" expression: "ctr * probs_cvr" }',
        'final_score { name: "b" expression: "ctr * y_stay" }',
        'final_score { name: "c" expression: "b + a" }',
        'final_score { name: "d" expression: "log(b)" }',
    ]
    text = f"export_config {{ {' '.join(scores)} }}\nfeature_config {{"
    kept = chosen(load, ["ctr", "stay"], ("feature_config {", text)).export_config.final_score
    assert [score.name for score in kept] == ["b", "d"]
    assert "2:" in refusal(load, ["ctr", "stay"], ("feature_config {", text.replace("log(b)", "log(bb)")))
