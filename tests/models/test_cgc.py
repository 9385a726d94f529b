"""CGC: experts of each task beside shared ones, mixed by a gate per task."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.architectures import EVALUATION, X, copy_weights, gradients_by_name, logits, make_model, randomize

TASKS = ("ctr", "cvr", "plain")
TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: 4 } }
    task_towers { tower_name: "cvr" dnn { hidden_units: [5, 3] } }
    task_towers { tower_name: "plain" }
"""
EQUAL = """
    expert_num_per_task: 2 share_num: 3
    task_expert_net { hidden_units: [7, 4] use_bn: false } share_expert_net { hidden_units: [7, 4] use_bn: false }
"""
UNEQUAL = """
    expert_num_per_task: 1 share_num: 2
    task_expert_net { hidden_units: [7, 4] } share_expert_net { hidden_units: [3, 6, 4] }
"""
both = pytest.mark.parametrize("level", [EQUAL, UNEQUAL], ids=["equal", "unequal"])


def cgc(level: str, more: str = "") -> str:
    return f"cgc {{ {level} {TOWERS} {more} }}"


@both
def test_it_is_ple_of_one_level(level):
    model, build = make_model(cgc(level))
    ple, other = make_model(f'ple {{ extraction_networks {{ network_name: "only" {level} }} {TOWERS} }}')
    randomize(build)
    copy_weights(build, other, {name: name.replace("only_", "cgc_") for name in other.parameters})
    assert len(other.parameters) == len(build.parameters)
    expected = logits(ple)
    for task, value in logits(model).items():
        np.testing.assert_allclose(value, expected[task], rtol=1e-6, atol=1e-6)


def test_a_task_reads_its_own_experts_and_the_shared_ones_under_its_gate():
    model, build = make_model(cgc(EQUAL))
    randomize(build)
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
    for task, found in enumerate(model.level([X] * 4, EVALUATION)):
        names = [f"cgc_task_{task}_expert_{k}" for k in range(2)] + [f"cgc_share/dnn_expert_{k}" for k in range(3)]
        experts = np.stack([_dnn(value, f"{name}/dnn", X) for name in names], axis=1)
        scores = X @ value[f"cgc_task_{task}_gate/dnn/kernel"] + value[f"cgc_task_{task}_gate/dnn/bias"]
        weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        np.testing.assert_allclose(found, np.einsum("bk,bkw->bw", weights, experts), rtol=1e-4, atol=1e-5)


def _dnn(value: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    for layer in ("dnn_0", "dnn_1"):
        x = np.maximum(x @ value[f"{name}/{layer}/kernel"] + value[f"{name}/{layer}/bias"], 0)
    return x


@both
def test_a_task_trains_its_own_experts_and_the_shared_ones_and_no_others(level):
    model, build = make_model(cgc(level))
    for index, task in enumerate(TASKS):
        found = gradients_by_name(model, build, [task])
        trained = {name.split("/")[0] for name, value in found.items() if np.any(value)}
        groups = {name for name in trained if name.startswith("cgc")}
        experts = {f"cgc_task_{index}_expert_{k}" for k in range(2 if level == EQUAL else 1)}
        assert groups == {*experts, f"cgc_task_{index}_gate", "cgc_share"}


def test_the_gates_of_a_level_sum_to_1():
    model, build = make_model(cgc(EQUAL))
    randomize(build)
    for gate in model.level.gates:
        weights = gate(X, EVALUATION)
        assert weights.shape == (32, 2 + 3)
        np.testing.assert_allclose(tf.reduce_sum(weights, axis=1), np.ones(32), rtol=1e-6)


def test_experts_of_one_shape_are_one_wide_product_and_others_are_not():
    model, _ = make_model(cgc(EQUAL))
    assert [stack.num_stack for stack in model.level.experts[0].stacks] == [3 * 2 + 3]
    model, _ = make_model(cgc(UNEQUAL))
    assert [stack.num_stack for stack in model.level.experts[0].stacks] == [3, 2]


def test_there_is_no_gate_that_nothing_reads():
    _, build = make_model(cgc(EQUAL))
    assert not [name for name in build.parameters if "share_gate" in name]


def test_gates_may_have_hidden_layers():
    _, build = make_model(cgc(EQUAL, "gate_dnn { hidden_units: 6 }"))
    assert build.parameters["cgc_task_1_gate/hidden/dnn_0/kernel"].shape == (6, 6)
    assert build.parameters["cgc_task_1_gate/dnn/kernel"].shape == (6, 5)
