"""AdaTT: all experts through a gate plus the own ones through fixed weights, level by level."""

import numpy as np
import pytest

from tests.models.architectures import EVALUATION, X, gradients_by_name, groups_of, logits, make_model, randomize

TASKS = ["ctr", "cvr"]
TOWERS = 'task_towers { tower_name: "ctr" } task_towers { tower_name: "cvr" dnn { hidden_units: 3 } }'
LEVEL = "fusion_levels { expert_num_per_task: %d share_num: %d expert_net { hidden_units: [5, 4] use_bn: false } }"


def adatt(*levels: tuple[int, int], towers: str = TOWERS) -> str:
    return f"adatt {{ {' '.join(LEVEL % level for level in levels)} {towers} }}"


def made(text: str):
    model, build = make_model(text)
    randomize(build)
    return model, {name: parameter.read().numpy() for name, parameter in build.parameters.items()}


def dnn(value: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    for layer in range(2):
        x = np.maximum(x @ value[f"{name}/dnn_{layer}/kernel"] + value[f"{name}/dnn_{layer}/bias"], 0)
    return x


def softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def fuse(value: dict[str, np.ndarray], level: int, inputs: dict[str, np.ndarray], counts: dict[str, int]) -> dict:
    """Equations 4 to 10 of the paper, one expert and one unit at a time."""
    prefix = {unit: f"adatt/level_{level}" + ("_shared" if unit == "shared" else f"/{unit}") for unit in counts}
    experts = {
        unit: [dnn(value, f"{prefix[unit]}/expert_{index}", inputs[unit]) for index in range(count)]
        for unit, count in counts.items()
    }
    everyone = np.stack([expert for unit in counts for expert in experts[unit]], axis=1)
    outputs = {}
    for unit in counts:
        gate = f"{prefix[unit]}/gate/dnn"
        if f"{gate}/kernel" not in value:
            continue
        weights = softmax(inputs[unit] @ value[f"{gate}/kernel"] + value[f"{gate}/bias"])
        native = value.get(f"{prefix[unit]}/native", np.ones(1))
        own = sum(weight * expert for weight, expert in zip(native, experts[unit], strict=True))
        outputs[unit] = np.einsum("bk,bkw->bw", weights, everyone) + own
    return outputs


@pytest.mark.parametrize("levels", [[(1, 0)], [(3, 0)], [(2, 1)], [(1, 0), (1, 0)], [(2, 2), (1, 1), (2, 1)]])
def test_levels_are_those_of_the_paper(levels):
    model, value = made(adatt(*levels))
    inputs = dict.fromkeys([*TASKS, "shared"], X)
    for level, (own, shared) in enumerate(levels):
        counts = dict.fromkeys(TASKS, own) | ({"shared": shared} if shared else {})
        inputs = fuse(value, level, inputs, counts)
    units = [groups_of()["all"]] * model.num_units
    for level in model.levels:
        units = level(units, EVALUATION)
    for task, found in zip(TASKS, units, strict=True):
        np.testing.assert_allclose(found, inputs[task], rtol=2e-3, atol=1e-4)
    expected = inputs["ctr"] @ value["dnn_output_0/kernel"] + value["dnn_output_0/bias"]
    np.testing.assert_allclose(logits(model)["ctr"], expected, rtol=2e-3, atol=1e-3)


def test_one_task_with_one_expert_counts_it_twice():
    model, value = made(adatt((1, 0), towers='task_towers { tower_name: "ctr" }'))
    (found,) = model.levels[0]([X], EVALUATION)
    np.testing.assert_allclose(found, 2 * dnn(value, "adatt/level_0/ctr/expert_0", X), rtol=1e-4, atol=1e-5)


def test_the_weight_of_a_single_own_expert_is_not_trained():
    _, value = made(adatt((1, 1), (2, 1)))
    assert "adatt/level_0/ctr/native" not in value
    assert value["adatt/level_1/ctr/native"].shape == (2,)


def test_native_weights_start_as_a_mean():
    _, build = make_model(adatt((4, 0)))
    np.testing.assert_array_equal(build.parameters["adatt/level_0/cvr/native"].read(), np.full(4, 0.25))


def test_the_shared_unit_has_no_gate_in_the_last_level():
    _, value = made(adatt((1, 1), (1, 1)))
    assert "adatt/level_0_shared/gate/dnn/kernel" in value
    assert "adatt/level_1_shared/expert_0/dnn_0/kernel" in value
    assert "adatt/level_1_shared/gate/dnn/kernel" not in value


def test_a_task_trains_the_experts_of_others_and_not_their_last_gates():
    model, build = make_model(adatt((2, 1), (2, 1)))
    randomize(build)
    found = gradients_by_name(model, build, ["ctr"])
    for name in ("level_1/cvr/expert_0/dnn_0/kernel", "level_0/cvr/gate/dnn/kernel", "level_0_shared/native"):
        assert np.any(found.get(f"adatt/{name}", 1)), name
    for name in ("adatt/level_1/cvr/gate/dnn/kernel", "adatt/level_1/cvr/native", "dnn_output_1/kernel"):
        assert not np.any(found[name]), name
