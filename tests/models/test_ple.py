"""PLE: levels of experts, whose gates read the mixtures of the level below."""

import numpy as np
import pytest

from tests.models.architectures import EVALUATION, X, gradients_by_name, logits, make_model, randomize

TASKS = ("ctr", "cvr")
TOWERS = """
    task_towers { tower_name: "ctr" }
    task_towers { tower_name: "cvr" dnn { hidden_units: 5 use_bn: false } }
"""
LEVEL = """extraction_networks {
    network_name: "%s" expert_num_per_task: %d share_num: %d
    task_expert_net { hidden_units: [%s] use_bn: false } share_expert_net { hidden_units: [%s] use_bn: false }
}"""
LOW = LEVEL % ("low", 2, 3, "7, 4", "7, 4")
HIGH = LEVEL % ("high", 2, 1, "6, 5", "3, 5")
TWO_LEVELS = f"ple {{ {LOW} {HIGH} {TOWERS} }}"


class Reference:
    """PLE in NumPy, one expert after the other (Tang et al. 2020, equations 1 to 6)."""

    def __init__(self, values: dict[str, np.ndarray]):
        self.values = values

    def level(self, name: str, inputs: list[np.ndarray], is_last: bool) -> list[np.ndarray]:
        """Maps the inputs of the tasks and, last, the shared one to mixtures."""
        own = [self._experts(f"{name}_task_{task}_expert_", inputs[task]) for task in range(2)]
        shared = self._experts(f"{name}_share/dnn_expert_", inputs[2])
        mixtures = [self._mix(f"{name}_task_{task}_gate", inputs[task], own[task] + shared) for task in range(2)]
        return (
            mixtures if is_last else [*mixtures, self._mix(f"{name}_share_gate", inputs[2], own[0] + own[1] + shared)]
        )

    def dnn(self, name: str, x: np.ndarray) -> np.ndarray:
        layer = 0
        while f"{name}/dnn_{layer}/kernel" in self.values:
            x = np.maximum(self._dense(f"{name}/dnn_{layer}", x), 0)
            layer += 1
        return x

    def logits(self, x: np.ndarray) -> dict[str, np.ndarray]:
        low = self.level("low", [x, x, x], is_last=False)
        high = self.level("high", low, is_last=True)
        return {
            "ctr": self._dense("dnn_output_0", high[0]),
            "cvr": self._dense("dnn_output_1", self.dnn("cvr", high[1])),
        }

    def _experts(self, prefix: str, x: np.ndarray) -> list[np.ndarray]:
        count = sum(name.startswith(prefix) and name.endswith("dnn_0/kernel") for name in self.values)
        return [self.dnn(f"{prefix}{index}/dnn", x) for index in range(count)]

    def _mix(self, gate: str, x: np.ndarray, experts: list[np.ndarray]) -> np.ndarray:
        scores = np.exp(self._dense(f"{gate}/dnn", x))
        weights = scores / scores.sum(1, keepdims=True)
        return sum(weight[:, None] * expert for weight, expert in zip(weights.T, experts))

    def _dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.values[f"{name}/kernel"] + self.values[f"{name}/bias"]


@pytest.mark.parametrize("high", [HIGH, LEVEL % ("high", 1, 2, "6, 5", "6, 5")], ids=["unequal", "equal"])
def test_two_levels_are_those_of_the_paper(high):
    model, build = make_model(f"ple {{ {LOW} {high} {TOWERS} }}")
    randomize(build)
    values = {name: parameter.read().numpy().astype(np.float64) for name, parameter in build.parameters.items()}
    expected = Reference(values).logits(X.astype(np.float64))
    for task, value in logits(model).items():
        np.testing.assert_allclose(value, expected[task], rtol=1e-4, atol=1e-4)


def test_above_the_first_level_a_task_reaches_the_experts_of_others_through_the_shared_mixture_alone():
    model, build = make_model(TWO_LEVELS)
    randomize(build)
    for own, other in ((0, 1), (1, 0)):
        found = gradients_by_name(model, build, [TASKS[own]])
        trained = {name.split("/")[0] for name, value in found.items() if np.any(value)}
        assert {f"low_task_{task}_expert_{k}" for task in (0, 1) for k in (0, 1)} <= trained
        assert {"low_share", "low_share_gate", f"low_task_{own}_gate", "high_share"} <= trained
        assert {f"high_task_{own}_expert_{k}" for k in (0, 1)} | {f"high_task_{own}_gate"} <= trained
        assert not {name for name in trained if name.startswith((f"high_task_{other}", f"low_task_{other}_gate"))}


def test_only_levels_with_one_above_have_a_shared_gate():
    _, build = make_model(TWO_LEVELS)
    assert build.parameters["low_share_gate/dnn/kernel"].shape == (6, 2 * 2 + 3)
    assert not [name for name in build.parameters if name.startswith("high_share_gate")]
    assert build.parameters["low_task_1_gate/dnn/kernel"].shape == (6, 2 + 3)
    assert build.parameters["high_task_0_gate/dnn/kernel"].shape == (4, 2 + 1)


def test_a_gate_that_is_sure_of_a_shared_expert_makes_tasks_alike():
    model, build = make_model(TWO_LEVELS)
    randomize(build)
    for task in (0, 1):
        build.parameters[f"high_task_{task}_gate/dnn/bias"].assign([0.0, 0.0, 1000.0])
    low = model.levels[0]([X] * 3, EVALUATION)
    first, second = model.levels[1](low, EVALUATION)
    np.testing.assert_allclose(first, second, rtol=1e-6)


def test_levels_may_differ_in_width():
    levels = LOW + LEVEL % ("middle", 1, 1, "9", "9") + LEVEL % ("high", 1, 1, "2", "2")
    model, build = make_model(f"ple {{ {levels} {TOWERS} }}")
    assert build.parameters["middle_task_0_expert_0/dnn/dnn_0/kernel"].shape == (4, 9)
    assert build.parameters["high_share/dnn_expert_0/dnn/dnn_0/kernel"].shape == (9, 2)
    assert logits(model)["ctr"].shape == (32, 1)
