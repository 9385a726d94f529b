"""What gates tell of their experts: the weights that the formulas of each architecture give, by names of people."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.gate_weights import BUCKETS, GateWeights, expert_names, shared_owner
from easymtl.scoring.gate_tally import GateTally, GateUse
from tests.models.architectures import X, groups_of, make_model, randomize
from tests.models.test_every_architecture import TEXTS

TOWERS = 'task_towers { tower_name: "ctr" } task_towers { tower_name: "cvr" }'
MMOE = f"mmoe {{ expert_dnn {{ hidden_units: 4 }} num_expert: 3 {TOWERS} }}"


def told(text: str, dtype: tf.DType = tf.float32, parts: int = 1) -> dict[str, GateUse]:
    """Returns what the gates of an architecture with random weights tell of `X`, in so many batches."""
    model, build = make_model(text)
    randomize(build)
    tally = GateTally()
    for x in np.split(X, parts):
        gates = GateWeights()
        model(groups_of(x), Call(dtype=dtype, gates=gates))
        tally.name(gates.experts)
        tally.add(gates.sums())
    return tally.result()


def softmax(scores: np.ndarray) -> np.ndarray:
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("parts", [1, 4])
def test_means_entropy_and_counts_are_those_of_numpy(parts):
    _, build = make_model(MMOE)
    randomize(build)
    found = told(MMOE, parts=parts)
    assert list(found) == ["ctr", "cvr"]
    for index, use in enumerate(found.values()):
        kernel, bias = (build.parameters[f"mmoe/gate_{index}/dnn/{part}"].read().numpy() for part in ("kernel", "bias"))
        weights = softmax(X.astype(np.float64) @ kernel + bias)
        assert list(use.weights) == ["expert_0", "expert_1", "expert_2"]
        np.testing.assert_allclose(list(use.weights.values()), weights.mean(axis=0), rtol=1e-5)
        entropy = -(weights * np.log(weights)).sum(axis=1) / np.log(3)
        assert use.entropy == pytest.approx(entropy.mean(), rel=1e-4)
        np.testing.assert_array_equal(use.counts, np.histogram(weights, BUCKETS, (0, 1))[0])


EXPERTS_OF_CTR = {
    "mmoe": ["expert_0", "expert_1", "expert_2"],
    "cgc": ["ctr/expert_0", "ctr/expert_1", "shared/expert_0"],
    "stem": [f"{owner}/expert_{index}" for owner in ("ctr", "cvr", "shared") for index in range(2)],
    "adatt": ["ctr/expert_0", "cvr/expert_0", "shared/expert_0"],
    "home": [f"{owner}/expert_{index}" for owner, num in (("shared", 2), ("group_a", 2)) for index in range(num)],
}
GATES = {
    "mmoe": {"ctr", "cvr"},
    "omoe": {"omoe"},
    "cgc": {"ctr", "cvr"},
    "ple": {"low/ctr", "low/cvr", "low/shared", "ctr", "cvr"},
    "adatt": {"level_0/ctr", "level_0/cvr", "level_0/shared", "ctr", "cvr"},
    "stem": {"ctr", "cvr"},
}


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_told_once_and_shares_out_1(name, dtype):
    found = told(TEXTS[name], dtype)
    assert set(found) == GATES[name]
    for use in found.values():
        assert sum(use.weights.values()) == pytest.approx(1.0, abs=1e-5)
        assert 0 <= use.entropy <= 1
        assert use.counts.sum() == len(X) * len(use.weights)


def test_gates_of_home_are_those_of_both_levels_and_self_gates_of_several_experts():
    found = told(TEXTS["home"])
    units = {"meta/shared", "meta/group_a", "meta/group_b", "ctr", "cvr"}
    # One expert of its own, as each task has here, is scaled and weighed against none.
    assert set(found) == units | {"meta/shared/self", "meta/group_a/self", "meta/group_b/self"}
    for use in found.values():
        assert sum(use.weights.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", EXPERTS_OF_CTR)
def test_experts_have_the_names_of_their_owners(name):
    names = list(told(TEXTS[name])["ctr"].weights)
    assert names[: len(EXPERTS_OF_CTR[name])] == EXPERTS_OF_CTR[name]


def test_named_experts_keep_their_names():
    experts = " ".join(f'experts {{ expert_name: "{name}" dnn {{ hidden_units: 4 }} }}' for name in ("wide", "deep"))
    assert list(told(f"mmoe {{ {experts} {TOWERS} }}")["cvr"].weights) == ["wide", "deep"]


def test_a_task_may_be_called_shared():
    assert shared_owner(["shared", "_shared"]) == "__shared" and shared_owner(["ctr"]) == "shared"
    text = TEXTS["cgc"].replace('"ctr"', '"shared"')
    assert list(told(text)["shared"].weights) == expert_names({"shared": 2, "_shared": 1})


def test_an_aitm_tells_what_each_task_takes_of_what_it_is_handed_and_of_its_own():
    text = TEXTS["aitm"]
    model, build = make_model(text)
    randomize(build)
    (task,), before = model.towers.relations.attentions, model.towers.relations.before
    attention, asked = model.towers.relations.attentions[task], []
    weights_of = attention.weights
    attention.weights = lambda both, call: asked.append(weights_of(both, call)) or asked[-1]
    gates = GateWeights()
    model(groups_of(X), Call(dtype=tf.float32, gates=gates))
    ((gate, experts),) = gates.experts.items()
    assert (gate, experts) == (f"{task}/handed_on", (before[task], task))
    ((weights,)) = asked
    np.testing.assert_allclose(gates.sums()[gate].weights, weights.numpy().sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(weights.numpy().sum(axis=1), 1.0, rtol=1e-5)
    assert np.ptp(weights.numpy()[:, 0]) > 1e-4


@pytest.mark.parametrize("name", ["simple_multi_task", "shared_bottom", "pepnet"])
def test_what_mixes_no_experts_tells_nothing(name):
    assert told(TEXTS[name]) == {}


def test_a_gate_that_runs_twice_counts_twice():
    gates, tally = GateWeights(), GateTally()
    gates.add("g", ["a", "b"], tf.constant([[1.0, 0.0]]))
    gates.add("g", ["a", "b"], tf.constant([[0.25, 0.75], [0.25, 0.75]]))
    tally.name(gates.experts)
    tally.add(gates.sums())
    (use,) = tally.result().values()
    assert use.weights == pytest.approx({"a": 0.5, "b": 0.5})
    assert use.counts[-1] == 1 and use.counts[0] == 1  # Weights of 1 and of 0, neither of which is lost.
    decided = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)) / np.log(2)
    assert use.entropy == pytest.approx(decided * 2 / 3, rel=1e-5)


def test_a_pass_begins_with_nothing():
    tally = GateTally({"g": ["a"]}, {})
    assert tally.result() == {}
    gates = GateWeights()
    gates.add("g", ["a"], tf.ones([2, 1]))
    tally.add(gates.sums())
    assert tally.result()["g"].weights == {"a": 1.0} and tally.result()["g"].entropy == 0
    tally.clear()
    assert tally.result() == {}
