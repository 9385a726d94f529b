"""MMoE: mixtures by gate, and what remains of it with one expert."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build
from easymtl.layers.dense import DNN
from easymtl.protos.layer_pb2 import DNN as DNNConfig
from tests.models.architectures import (
    EVALUATION,
    NUM_INPUTS,
    TRAINING,
    X,
    gradients_by_name,
    logits,
    make_model,
    randomize,
)

TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: 4 use_bn: false } }
    task_towers { tower_name: "cvr" dnn { hidden_units: [5, 3] } }
    task_towers { tower_name: "plain" }
"""
EXPERT = "hidden_units: [8, 4] use_bn: true"
MMOE = "mmoe { expert_dnn { %s } num_expert: %d %s %s }"


def mmoe(num_expert: int = 3, expert: str = EXPERT, more: str = "") -> str:
    return MMOE % (expert, num_expert, TOWERS, more)


def test_one_expert_is_a_shared_bottom():
    model, build = make_model(mmoe(num_expert=1))
    randomize(build)
    shared = Build()
    bottom = DNN(shared, "mmoe/expert_0", NUM_INPUTS, text_format.Parse(EXPERT, DNNConfig()))
    for name, parameter in shared.parameters.items():
        parameter.assign(build.parameters[name].read())
    expected = model.towers(dict.fromkeys(["ctr", "cvr", "plain"], bottom(X, EVALUATION)), {}, EVALUATION)
    for name, value in logits(model).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-5)


def test_each_task_reads_the_sum_of_the_experts_under_its_own_gate():
    model, build = make_model(mmoe())
    randomize(build)
    experts = model.mixture.experts(X, EVALUATION).numpy()
    found = model.mixture(X, EVALUATION)
    for index, task in enumerate(["ctr", "cvr", "plain"]):
        kernel = build.parameters[f"mmoe/gate_{index}/dnn/kernel"].read().numpy()
        bias = build.parameters[f"mmoe/gate_{index}/dnn/bias"].read().numpy()
        scores = np.exp(X @ kernel + bias)
        weights = scores / scores.sum(1, keepdims=True)
        np.testing.assert_allclose(found[task], np.einsum("bk,bkw->bw", weights, experts), rtol=1e-3, atol=1e-5)


def test_a_gate_that_is_sure_picks_one_expert():
    model, build = make_model(mmoe())
    build.parameters["mmoe/gate_1/dnn/bias"].assign([0.0, 100.0, 0.0])
    experts = model.mixture.experts(X, EVALUATION)
    np.testing.assert_allclose(model.mixture(X, EVALUATION)["cvr"], experts[:, 1], rtol=1e-6)


def test_experts_and_gates_differ_at_the_start():
    _, build = make_model(mmoe())
    for first, second in (
        ("expert_0/dnn_0", "expert_1/dnn_0"),
        ("expert_1/dnn_1", "expert_2/dnn_1"),
        ("gate_0/dnn", "gate_1/dnn"),
    ):
        values = [build.parameters[f"mmoe/{name}/kernel"].read() for name in (first, second)]
        assert not np.allclose(*values)


def test_a_task_sends_no_gradient_to_the_gate_and_tower_of_another():
    model, build = make_model(mmoe())
    found = gradients_by_name(model, build, ["cvr"])
    assert not np.any(found["mmoe/gate_0/dnn/kernel"])
    assert not np.any(found["ctr/dnn_0/kernel"])
    assert not np.any(found["dnn_output_2/kernel"])
    for name in (
        "mmoe/gate_1/dnn/kernel",
        "mmoe/expert_0/dnn_0/kernel",
        "mmoe/expert_2/dnn_1/kernel",
        "dnn_output_1/bias",
    ):
        assert np.any(found[name]), name


def test_equal_experts_one_by_one_are_the_same_model():
    listed = f"mmoe {{ {3 * f'experts {{ dnn {{ {EXPERT} }} }} '} {TOWERS} }}"
    together, _ = make_model(mmoe())
    one_by_one, build = make_model(listed)
    assert "mmoe/expert_2/dnn_1/bn/gamma" in build.parameters
    for name, value in logits(one_by_one).items():
        np.testing.assert_array_equal(value, logits(together)[name])


def test_experts_may_differ_in_shape():
    listed = "mmoe { experts { dnn { hidden_units: [7, 4] } } experts { dnn { hidden_units: 4 use_bn: false } } %s }"
    model, build = make_model(listed % TOWERS)
    assert build.parameters["mmoe/expert_0/dnn_0/kernel"].shape == (NUM_INPUTS, 7)
    assert build.parameters["mmoe/expert_1/dnn_0/kernel"].shape == (NUM_INPUTS, 4)
    assert logits(model)["ctr"].shape == (32, 1)


def test_a_gate_may_have_hidden_layers():
    model, build = make_model(mmoe(more="gate_dnn { hidden_units: 5 use_bn: false }"))
    assert build.parameters["mmoe/gate_0/dnn/kernel"].shape == (5, 3)
    weights = model.mixture.gates["ctr"](X, TRAINING)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=1), np.ones(32), rtol=1e-6)


def test_dropout_drops_in_every_expert():
    model, build = make_model(mmoe(expert="hidden_units: 64 use_bn: false dropout_ratio: 0.5"))
    for expert in range(3):
        build.parameters[f"mmoe/expert_{expert}/dnn_0/bias"].assign(tf.fill([64], 100.0))
    dropped = model.mixture.experts(X, TRAINING).numpy() == 0
    assert np.all((dropped.mean(axis=(0, 2)) > 0.4) & (dropped.mean(axis=(0, 2)) < 0.6))
    assert not np.any(model.mixture.experts(X, EVALUATION).numpy() == 0)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_the_width_of_logits_belongs_to_the_tower_and_not_to_its_place(order):
    lines = [line for line in TOWERS.splitlines() if line.strip()]
    text = MMOE % (EXPERT, 2, "\n".join(lines[index] for index in order), "")
    model, _ = make_model(text, {"cvr": 4})
    assert {name: value.shape[1] for name, value in logits(model).items()} == {"ctr": 1, "cvr": 4, "plain": 1}
