"""DBMTL: towers read the towers they depend on, in any order of the config."""

import itertools

import numpy as np
import pytest

from tests.models.architectures import EVALUATION, X, copy_weights, gradients_by_name, logits, make_model, randomize

TOWERS = {
    "ctr": 'tower_name: "ctr" dnn { hidden_units: [5, 4] } relation_dnn { hidden_units: 3 }',
    "cvr": 'tower_name: "cvr" dnn { hidden_units: 4 } relation_tower_names: "ctr" relation_dnn { hidden_units: 3 }',
    "dur": 'tower_name: "dur" relation_tower_names: ["ctr", "cvr"] relation_dnn { hidden_units: 3 }',
}


def dbmtl(names=("ctr", "cvr", "dur"), body: str = "bottom_dnn { hidden_units: 6 }", towers=TOWERS) -> str:
    return f"dbmtl {{ {body} {' '.join(f'task_towers {{ {towers[name]} }}' for name in names)} }}"


@pytest.mark.parametrize("order", itertools.permutations(TOWERS))
def test_the_order_of_towers_in_the_config_changes_nothing(order):
    first, build = make_model(dbmtl())
    second, permuted = make_model(dbmtl(order))
    randomize(build)
    copy_weights(build, permuted)
    expected = logits(first)
    for name, value in logits(second).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_tower_reads_its_own_output_and_those_it_depends_on():
    model, build = make_model(dbmtl())
    randomize(build)
    bottom, dnns = model.bottom(X, EVALUATION), model.towers.dnns
    hidden = {task: (dnns[task](bottom, EVALUATION) if task in dnns else bottom).numpy() for task in TOWERS}
    found = model.towers.relations(hidden, EVALUATION)
    relation = model.towers.relations.dnns
    ctr = relation["ctr"](hidden["ctr"], EVALUATION).numpy()
    cvr = relation["cvr"](np.concatenate([hidden["cvr"], ctr], 1), EVALUATION).numpy()
    dur = relation["dur"](np.concatenate([hidden["dur"], ctr, cvr], 1), EVALUATION)
    for name, expected in {"ctr": ctr, "cvr": cvr, "dur": dur}.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)


def test_without_a_relation_dnn_the_inputs_go_through_side_by_side():
    towers = {**TOWERS, "cvr": 'tower_name: "cvr" dnn { hidden_units: 4 } relation_tower_names: "ctr"'}
    model, build = make_model(dbmtl(["cvr", "ctr"], towers=towers))
    assert build.parameters["cvr/output/kernel"].shape == (4 + 3, 1)
    assert logits(model)["cvr"].shape == (32, 1)


def test_without_a_bottom_the_towers_read_the_features():
    model, build = make_model(dbmtl(body=""))
    assert build.parameters["ctr/dnn/dnn_0/kernel"].shape[0] == X.shape[1]
    assert "dur/dnn/dnn_0/kernel" not in build.parameters
    assert logits(model)["dur"].shape == (32, 1)


def test_a_task_sends_its_gradient_to_what_it_depends_on_and_to_nothing_else():
    model, build = make_model(dbmtl())
    randomize(build)
    found = gradients_by_name(model, build, ["cvr"])
    for name in ("bottom_dnn/dnn_0/kernel", "ctr/relation_dnn/dnn_0/kernel", "cvr/relation_dnn/dnn_0/kernel"):
        assert np.any(found[name]), name
    for name in ("dur/relation_dnn/dnn_0/kernel", "dur/output/kernel", "ctr/output/kernel"):
        assert not np.any(found[name]), name


def test_experts_stand_between_the_bottom_and_the_towers():
    body = "bottom_dnn { hidden_units: 6 } expert_dnn { hidden_units: [7, 5] } num_expert: 2"
    model, build = make_model(dbmtl(body=body))
    assert build.parameters["mmoe/expert_1/dnn_0/kernel"].shape == (6, 7)
    assert build.parameters["mmoe/gate_2/dnn/kernel"].shape == (6, 2)
    assert build.parameters["ctr/dnn/dnn_0/kernel"].shape == (5, 5)
    randomize(build)
    mixtures = model.mixture(model.bottom(X, EVALUATION), EVALUATION)
    assert not np.allclose(mixtures["ctr"], mixtures["cvr"])
    assert logits(model)["ctr"].shape == (32, 1)


def test_one_expert_changes_a_dbmtl_into_one_with_a_deeper_bottom():
    layers = "hidden_units: 6 use_bn: false"
    experts, build = make_model(dbmtl(body=f"bottom_dnn {{ {layers} }} expert_dnn {{ {layers} }} num_expert: 1"))
    deeper, same = make_model(dbmtl(body="bottom_dnn { hidden_units: [6, 6] use_bn: false }"))
    randomize(build)
    names = {f"bottom_dnn/dnn_1/{kind}": f"mmoe/expert_0/dnn_0/{kind}" for kind in ("kernel", "bias")}
    copy_weights(build, same, names)
    for name, value in logits(experts).items():
        np.testing.assert_allclose(value, logits(deeper)[name], rtol=1e-4, atol=1e-5)
