"""HoME: meta level by task group, then the tasks; norms, feature gates and self gates as written."""

import numpy as np
import pytest

from tests.models.architectures import EVALUATION, NUM_INPUTS, X, gradients_by_name, logits, make_model, randomize

GROUPS = """
    task_groups { group_name: "watch" tower_names: ["click", "view"] }
    task_groups { group_name: "mic" tower_names: "mic" }
"""
TOWERS = 'task_towers { tower_name: "mic" } task_towers { tower_name: "click" } task_towers { tower_name: "view" }'
COUNTS = "share_num: 2 expert_num_per_group: 1 expert_num_per_task: 2"


def home(counts: str = COUNTS, more: str = "feature_gate_rank: 3 feature_gate_pairs: 2") -> str:
    return f"home {{ {GROUPS} expert_dnn {{ hidden_units: [5, 4] }} {counts} {more} {TOWERS} }}"


def softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class Reference:
    """The network in NumPy, one expert and one gate at a time, with the statistics of a new model."""

    def __init__(self, build, counts: tuple[int, int, int]):
        self.value = {name: parameter.read().numpy() for name, parameter in build.parameters.items()}
        self.share, self.group, self.task = counts

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        return x @ self.value[f"{name}/kernel"] + self.value[f"{name}/bias"]

    def feature_gate(self, name: str, x: np.ndarray) -> np.ndarray:
        pairs = [f"{name}/pair_{index}" for index in range(2) if f"{name}/pair_{index}/up/kernel" in self.value]
        factors = [
            2 * sigmoid(x @ self.value[f"{pair}/down/kernel"] @ self.value[f"{pair}/up/kernel"]) for pair in pairs
        ]
        if len(pairs) == 1:
            return x * factors[0]
        weights = softmax(x @ self.value[f"{name}/choice/kernel"])
        return x * sum(weights[:, [index]] * factor for index, factor in enumerate(factors))

    def experts(self, name: str, x: np.ndarray, count: int) -> list[np.ndarray]:
        gated = self.feature_gate(f"{name}/feature_gate", x)
        return [self.expert(f"{name}/expert_{index}", gated) for index in range(count)]

    def expert(self, name: str, x: np.ndarray) -> np.ndarray:
        for layer in range(2):
            path = f"{name}/dnn_{layer}"
            normed = self.dense(path, x) / np.sqrt(1 + 1e-3)
            normed = normed * self.value[f"{path}/bn/gamma"] + self.value[f"{path}/bn/beta"]
            x = normed * sigmoid(normed)
        return x

    def unit(self, name: str, x: np.ndarray, seen: list[np.ndarray], own: list[np.ndarray]) -> np.ndarray:
        weights = softmax(self.dense(f"{name}/gate/dnn", x))
        scores = self.dense(f"{name}/self_gate", x)
        residual = sigmoid(scores) if len(own) == 1 else softmax(scores)
        return np.einsum("bk,kbw->bw", weights, seen) + np.einsum("bk,kbw->bw", residual, own)

    def mixtures(self, x: np.ndarray) -> dict[str, np.ndarray]:
        experts = {key: self.experts(f"home/meta/group_{key}", x, self.group) for key in ("watch", "mic")}
        shared = self.experts("home/meta/shared", x, self.share)
        meta = {key: self.unit(f"home/meta/group_{key}", x, shared + own, own) for key, own in experts.items()}
        z_shared = self.unit("home/meta/shared", x, shared + experts["watch"] + experts["mic"], shared)
        result = {}
        for task, key in {"mic": "mic", "click": "watch", "view": "watch"}.items():
            own = self.experts(f"home/task/task_{task}", meta[key], self.task)
            seen = self.experts("home/task/shared", z_shared, self.share)
            seen += self.experts(f"home/task/group_{key}", meta[key], self.group) + own
            read = np.concatenate([meta[key], z_shared], axis=1)
            result[task] = self.unit(f"home/task/task_{task}", read, seen, own)
        return result


@pytest.mark.parametrize("counts, pairs", [((2, 1, 2), 2), ((1, 2, 1), 1), ((1, 1, 1), 2)])
def test_both_levels_are_those_of_the_formulas(counts, pairs):
    names = ("share_num", "expert_num_per_group", "expert_num_per_task")
    text = " ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
    model, build = make_model(home(text, f"feature_gate_rank: 3 feature_gate_pairs: {pairs}"))
    randomize(build)
    reference = Reference(build, counts)
    for index, (task, mixture) in enumerate(reference.mixtures(X).items()):
        expected = reference.dense(f"dnn_output_{index}", mixture)
        np.testing.assert_allclose(logits(model)[task], expected, rtol=2e-3, atol=2e-4)


def test_a_task_trains_no_expert_of_another_task():
    model, build = make_model(home())
    randomize(build)
    found = gradients_by_name(model, build, ["click"])
    moved = {name for name, gradient in found.items() if np.any(gradient)}
    assert not [name for name in moved if "task_view" in name or "task_mic" in name or "task/group_mic" in name]
    # What all share brings the experts of the other groups.
    assert "home/meta/group_mic/expert_0/dnn_0/kernel" in moved
    assert "home/meta/group_mic/gate/dnn/kernel" not in moved


def test_experts_have_batch_norm_and_swish_without_being_told():
    model, build = make_model(home())
    for experts in (model.meta_experts.experts, model.task_experts.experts):
        assert len(experts.norms) == 2
        np.testing.assert_allclose(experts.activations[0](X, EVALUATION), X / (1 + np.exp(-X)), rtol=1e-5)
    assert "home/task/task_mic/expert_1/dnn_1/bn/gamma" in build.parameters


def test_an_undecided_feature_gate_changes_nothing():
    model, build = make_model(home())
    for name, parameter in build.parameters.items():
        if name.endswith("up/kernel"):
            parameter.assign(np.zeros(parameter.shape, np.float32))
    np.testing.assert_allclose(model.meta_experts.gates[0](X, EVALUATION), X, rtol=1e-6)


def test_a_feature_gate_is_low_rank():
    _, build = make_model(home())
    assert build.parameters["home/meta/shared/feature_gate/pair_1/down/kernel"].shape == (NUM_INPUTS, 3)
    assert build.parameters["home/meta/shared/feature_gate/pair_0/up/kernel"].shape == (3, NUM_INPUTS)


@pytest.mark.parametrize("name", ["click", "view"])
def test_self_gates_keep_the_own_experts_when_the_gate_does_not(name):
    model, build = make_model(home())
    bias = f"home/task/task_{name}/gate/dnn/bias"
    build.parameters[bias].assign([200.0, 0.0, 0.0, 0.0, 0.0])
    found = gradients_by_name(model, build, [name])
    assert np.any(found[f"home/task/task_{name}/expert_0/dnn_1/kernel"])
