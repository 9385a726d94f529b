"""Rules of a tower's own `feature_group`."""

import pytest

OWN = ('tower_name: "ctr"', 'tower_name: "ctr" feature_group: "%s"')
SIMPLE = (("dbmtl {", "simple_multi_task {"), ("    bottom_dnn { hidden_units: [8, 6] }\n", ""))
NO_BOTTOM = (("    bottom_dnn { hidden_units: [8, 6] }\n", ""),)
EXPERTS = (("bottom_dnn { hidden_units: [8, 6] }", "num_expert: 2 expert_dnn { hidden_units: [8, 6] }"),)


def own(name: str) -> tuple[str, str]:
    return OWN[0], OWN[1] % name


def test_a_group_that_is_not_there(problems):
    (line,) = problems(own("al"))
    assert 'task_towers[0].feature_group "al" is not in the feature groups ("all"). Did you mean "all"?' in line


@pytest.mark.parametrize("changes", [SIMPLE, NO_BOTTOM], ids=["simple_multi_task", "dbmtl"])
def test_the_input_of_the_model_is_not_read_twice(problems, changes):
    (line,) = problems(*changes, own("all"))
    assert 'task_towers[0].feature_group "all" is what this tower reads anyway.' in line


@pytest.mark.parametrize("changes", [(), EXPERTS], ids=["bottom", "experts"])
def test_a_tower_above_layers_may_read_the_input_besides(load, changes):
    assert load(*changes, own("all"))


def test_towers_may_share_a_group_and_a_group_nobody_reads_is_noted(load):
    group = ("  dbmtl {", '  feature_groups { group_name: "own" feature_names: "user" }\n  dbmtl {')
    second = ('tower_name: "cvr"', 'tower_name: "cvr" feature_group: "own"')
    assert load(group, own("own"), second).notes == []
    assert any('"own" is read by nothing' in note for note in load(group).notes)
