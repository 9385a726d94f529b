"""STEM: every expert goes forward to every task, and gradients go back to a task's own embeddings alone."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.architectures import EVALUATION, gradients_by_name, groups_of, logits, make_model, randomize

EXPERTS = """
    expert_num_per_task: 2 task_expert_net { hidden_units: [5, 4] use_bn: false }
    share_num: 1 share_expert_net { hidden_units: 4 use_bn: false }
"""
TOWERS = """
    task_towers { tower_name: "ctr" feature_group: "own" }
    task_towers { tower_name: "cvr" feature_group: "other" %s }
"""


def stem(more: str = "") -> str:
    return f"stem {{ {EXPERTS} {TOWERS % more} }}"


def gradients_by_group(model, task: str) -> dict[str, np.ndarray]:
    groups = groups_of()
    with tf.GradientTape() as tape:
        tape.watch(groups)
        total = tf.reduce_sum(model(groups, EVALUATION)[task])
    found = tape.gradient(total, groups, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {name: gradient.numpy() for name, gradient in found.items()}


@pytest.mark.parametrize("task, moves, keeps", [("ctr", "own", "other"), ("cvr", "other", "own")])
def test_a_task_moves_its_own_and_the_shared_embeddings_and_no_others(task, moves, keeps):
    model, build = make_model(stem())
    randomize(build)
    found = gradients_by_group(model, task)
    assert np.any(found["all"]) and np.any(found[moves])
    assert not np.any(found[keeps])


def test_a_task_moves_no_expert_of_another():
    model, build = make_model(stem())
    randomize(build)
    found = gradients_by_name(model, build, ["ctr"])
    moved = {name for name, gradient in found.items() if np.any(gradient)}
    assert not [name for name in moved if "task_cvr" in name]
    for name in ("stem/task_ctr/expert_1/dnn_0/kernel", "stem/shared/expert_0/dnn_0/kernel"):
        assert name in moved
    assert "stem/task_ctr/gate/dnn/kernel" in moved


def test_the_experts_of_another_task_go_forward():
    model, build = make_model(stem())
    randomize(build)
    before = logits(model)["ctr"]
    bias = build.parameters["stem/task_cvr/expert_0/dnn_1/bias"]
    bias.assign(bias.read() + 1.0)
    assert not np.allclose(before, logits(model)["ctr"])


def test_the_mixture_is_that_of_the_formula():
    model, build = make_model(stem())
    randomize(build)
    value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
    groups = {name: x.numpy() for name, x in groups_of().items()}

    def expert(name: str, x: np.ndarray) -> np.ndarray:
        for layer in range(1 if "shared" in name else 2):
            x = np.maximum(x @ value[f"{name}/dnn_{layer}/kernel"] + value[f"{name}/dnn_{layer}/bias"], 0)
        return x

    experts = [
        *(expert(f"stem/task_ctr/expert_{index}", groups["own"]) for index in range(2)),
        *(expert(f"stem/task_cvr/expert_{index}", groups["other"]) for index in range(2)),
        expert("stem/shared/expert_0", groups["all"]),
    ]
    for index, (task, group) in enumerate({"ctr": "own", "cvr": "other"}.items()):
        read = np.concatenate([groups[group], groups["all"]], axis=1)
        gate = f"stem/task_{task}/gate/dnn"
        scores = np.exp(read @ value[f"{gate}/kernel"] + value[f"{gate}/bias"])
        weights = scores / scores.sum(axis=1, keepdims=True)
        mixture = np.einsum("bk,bkw->bw", weights, np.stack(experts, axis=1))
        expected = mixture @ value[f"dnn_output_{index}/kernel"] + value[f"dnn_output_{index}/bias"]
        np.testing.assert_allclose(logits(model)[task], expected, rtol=1e-3, atol=1e-4)


def test_a_feature_group_is_not_joined_to_the_tower_again():
    _, build = make_model(stem("dnn { hidden_units: 3 }"))
    assert build.parameters["cvr/dnn_0/kernel"].shape == (4, 3)


def test_a_relation_tower_opens_the_way_back():
    model, build = make_model(stem('relation_tower_names: "ctr" relation_dnn { hidden_units: 3 use_bn: false }'))
    randomize(build)
    assert np.any(gradients_by_group(model, "cvr")["own"])
    assert not np.any(gradients_by_group(model, "ctr")["other"])
