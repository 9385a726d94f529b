"""PEPNet: the domain scales the embeddings, the person the layers, and gates move nothing but themselves."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.architectures import EVALUATION, GROUP_WIDTHS, groups_of, logits, make_model, randomize

WIDTH = GROUP_WIDTHS["all"]
TOWERS = """
    task_towers { tower_name: "ctr" dnn { hidden_units: [5, 3] use_bn: false } %s }
    task_towers { tower_name: "cvr" dnn { hidden_units: 4 use_bn: false } }
    task_towers { tower_name: "plain" }
"""
BOTH = 'domain_group: "own" personal_group: "other"'
DEPTHS = {"ctr": 2, "cvr": 1, "plain": 0}


def pepnet(groups: str = BOTH, more: str = "") -> str:
    return f"pepnet {{ {groups} gate_hidden_units: 7 {TOWERS % more} }}"


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def made(text: str):
    model, build = make_model(text)
    randomize(build)
    return model, {name: parameter.read().numpy() for name, parameter in build.parameters.items()}


def dense(value: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ value[f"{name}/kernel"] + value[f"{name}/bias"]


def gate(value: dict[str, np.ndarray], name: str, *x: np.ndarray) -> np.ndarray:
    """Equations 2 and 3 of the paper."""
    hidden = np.maximum(dense(value, f"{name}/hidden", np.concatenate(x, axis=1)), 0)
    return 2 * sigmoid(dense(value, f"{name}/output", hidden))


@pytest.mark.parametrize("groups", [BOTH, 'domain_group: "own"', 'personal_group: "other"'])
def test_logits_are_those_of_the_paper(groups):
    model, value = made(pepnet(groups))
    x, own, other = (groups_of()[name].numpy() for name in ("all", "own", "other"))
    if "domain" in groups:
        x = x * gate(value, "epnet", own, x)
    hidden = dict.fromkeys(DEPTHS, x)
    for layer in range(3):
        towers = {task: h for task, h in hidden.items() if layer <= DEPTHS[task]}
        scale = np.ones((len(x), sum(h.shape[1] for h in towers.values())))
        if "personal" in groups:
            scale = gate(value, f"ppnet/layer_{layer}", other, x)
        parts = np.split(scale, np.cumsum([h.shape[1] for h in towers.values()])[:-1], axis=1)
        for (task, h), part in zip(towers.items(), parts, strict=True):
            last = layer == DEPTHS[task]
            name = f"dnn_output_{list(DEPTHS).index(task)}" if last else f"{task}/dnn_{layer}"
            hidden[task] = dense(value, name, h * part) if last else np.maximum(dense(value, name, h * part), 0)
    for task, found in logits(model).items():
        np.testing.assert_allclose(found, hidden[task], rtol=1e-3, atol=1e-4)


def test_a_task_trains_the_embeddings_of_the_gates():
    model, _ = made(pepnet())
    groups = groups_of()
    with tf.GradientTape() as tape:
        tape.watch(groups)
        total = tf.reduce_sum(model(groups, EVALUATION)["ctr"])
    assert all(np.any(gradient) for gradient in tape.gradient(total, groups).values())


def test_gates_do_not_move_the_embeddings_that_they_scale():
    model, value = made(pepnet())
    groups = groups_of()
    x, own, other = (groups[name].numpy() for name in ("all", "own", "other"))
    with tf.GradientTape() as tape:
        tape.watch(groups["all"])
        total = tf.reduce_sum(model(groups, EVALUATION)["plain"])
    domain = gate(value, "epnet", own, x)
    person = gate(value, "ppnet/layer_0", other, domain * x)[:, -WIDTH:]
    expected = domain * person * value["dnn_output_2/kernel"][:, 0]
    np.testing.assert_allclose(tape.gradient(total, groups["all"]), expected, rtol=1e-3, atol=1e-5)


def test_undecided_gates_leave_towers_over_the_features():
    model, build = make_model(pepnet())
    for name, parameter in build.parameters.items():
        if "/output/" in name:
            parameter.assign(np.zeros(parameter.shape, np.float32))
    plain, same = make_model(f"simple_multi_task {{ {TOWERS % ''} }}")
    for name, parameter in same.parameters.items():
        parameter.assign(build.parameters[name].read())
    for task, expected in logits(plain).items():
        np.testing.assert_allclose(logits(model)[task], expected, rtol=1e-4, atol=1e-6)


def test_factors_are_between_0_and_2():
    model, _ = made(pepnet())
    x = 5.0 * tf.random.stateless_normal([64, GROUP_WIDTHS["other"] + WIDTH], [3, 3])
    factors = model.personal.gates[0](x, EVALUATION).numpy()
    assert factors.min() >= 0 and factors.max() <= 2 and factors.min() < 0.5 and factors.max() > 1.5


def test_a_towers_own_group_is_scaled_with_the_rest_of_its_input():
    _, value = made(pepnet(more='feature_group: "own"'))
    assert value["ctr/dnn_0/kernel"].shape == (WIDTH + GROUP_WIDTHS["own"], 5)
    assert value["ppnet/layer_0/output/kernel"].shape == (7, 3 * WIDTH + GROUP_WIDTHS["own"])
    assert value["ppnet/layer_2/output/kernel"].shape == (7, 3)


def test_a_relation_tower_reads_what_its_output_layer_reads():
    _, value = made(pepnet(more='relation_tower_names: "cvr" relation_dnn { hidden_units: 2 }'))
    assert value["ctr/relation_dnn/dnn_0/kernel"].shape == (3 + 4, 2)
