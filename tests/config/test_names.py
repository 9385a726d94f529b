"""Names that would come out as one: of outputs, of layers, of tables."""

import pytest

TOWER = 'task_towers { tower_name: "%s" label_name: "click" dnn { hidden_units: 4 } %s }'


@pytest.fixture
def check(base, problems):
    def run(model: str, *changes: tuple[str, str]) -> list[str]:
        return problems(*changes, text=base.partition("  dbmtl {")[0] + "  " + model + "\n}\n")

    return run


def towers(model, *pairs, more=""):
    return f"{model} {{ {more} {' '.join(TOWER % pair for pair in pairs)} }}"


def test_results_of_two_towers_given_their_parents_are_named_alike(check):
    named = [("c", ""), ("b_given_c", ""), ("a", 'parent: "b_given_c"'), ("a_given_b", 'parent: "c"')]
    (problem,) = check(towers("simple_multi_task", *named))
    assert '"a_given_b" given its parent has results "a_given_b_given_c", as "a" has. Rename it.' in problem
    assert problem.startswith("x.config:")
    assert not check(towers("simple_multi_task", *named[:3], ("a2", 'parent: "c"')))


@pytest.mark.parametrize("model", ["shared_bottom", "aitm"])
def test_a_tower_is_not_named_as_the_layers_below(check, model):
    bottom = "bottom_dnn { hidden_units: 4 }"
    (problem,) = check(towers(model, ("bottom_dnn", ""), ("b", ""), more=bottom))
    assert 'tower_name "bottom_dnn" is what the layers below all towers are named' in problem
    assert not check(towers("dbmtl", ("bottom_dnn", ""), ("b", ""), more=bottom))


def test_a_tower_of_esmm_is_not_named_as_a_group_with_layers(check):
    model = (
        'esmm { groups { input: "all" dnn { hidden_units: 4 } } ctr_tower { tower_name: "all" label_name: "click" } '
        'cvr_tower { tower_name: "b" label_name: "click" } }'
    )
    (problem,) = check(model)
    assert '"all" is a name of what the model makes of its towers' in problem
    assert not check(model.replace("dnn { hidden_units: 4 }", ""))


FEATURE = 'features { input_names: "user" feature_type: IdFeature hash_bucket_size: 50 embedding_dim: 4 }'
GROUP = 'feature_groups { group_name: "all" feature_names: ["user", "tags", "price"] }'


def test_a_group_and_a_feature_with_slashes_do_not_share_a_table_by_their_names(problems):
    """They were one table without a word: "all/item" and "id", "all" and "item/id"."""
    further = FEATURE.replace("features {", 'features { feature_name: "%s"')
    changes = (
        (FEATURE, f"{FEATURE} {further % 'id'} {further % 'item/id'}"),
        (GROUP, 'feature_groups { group_name: "all" feature_names: ["user", "tags", "price", "item/id"] } '
                'feature_groups { group_name: "all/item" feature_names: ["id"] }'),
    )  # fmt: skip
    found = [line for line in problems(*changes) if "as their names are alike" in line]
    assert len(found) == 1
    assert '"id" in the group "all/item" and the table of "item/id" in the group "all" one' in found[0]
    assert not [line for line in problems(changes[0], (changes[1][0], changes[1][1].replace("item/id", "item.id")))
                if "alike" in line]  # fmt: skip


@pytest.mark.parametrize("name, is_taken", [("user_embedding", True), ("all/user", True), ("users", False)])
def test_a_shared_table_has_no_name_of_another_table(problems, name, is_taken):
    shared = FEATURE.replace("features {", f'features {{ feature_name: "b" embedding_name: "{name}"')
    changes = ((FEATURE, f"{FEATURE} {shared}"), (GROUP, GROUP.replace('["user"', '["user", "b"')))
    found = [line for line in problems(*changes) if "as their names are alike" in line]
    assert bool(found) == is_taken
