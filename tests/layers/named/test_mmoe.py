"""MMoE as a block: with experts of its own, and with experts that other blocks make."""

import numpy as np
import pytest

from easymtl.layers.context import Call
from easymtl.layers.gate_weights import GateWeights
from easymtl.layers.shapes import describe, vector
from tests.formulas import dense, relu, softmax
from tests.layers.named.building import NAME, make, refusal, training, values, vectors

MLP = "expert_mlp { hidden_units: [8, 6] use_bn: false use_final_bn: false }"


def test_each_task_has_a_mixture_of_the_experts():
    made = make("MMoE", f"num_task: 2 num_expert: 3 {MLP}", vector(4))
    assert describe(made.shape) == "a list of 2 x [batch, 6]"
    x = values(vector(4))
    experts = []
    for index in range(3):
        hidden = relu(x @ made.weights[f"expert_{index}/layer_0/dense/kernel"])
        experts.append(relu(hidden @ made.weights[f"expert_{index}/layer_1/dense/kernel"]))
    for task, result in enumerate(made(x)):
        shares = softmax(dense(made.weights, f"gate_{task}", x))
        np.testing.assert_allclose(result, np.einsum("be,ebw->bw", shares, np.stack(experts)), rtol=1e-5, atol=1e-5)


def test_experts_may_come_from_other_blocks_with_the_input_of_the_gates_behind_them():
    made = make("MMoE", "num_task: 2 num_expert: 3", vectors(6, 6, 6, 16))
    assert {name: value.shape for name, value in made.weights.items()} == {
        "gate_0/kernel": (16, 3),
        "gate_0/bias": (3,),
        "gate_1/kernel": (16, 3),
        "gate_1/bias": (3,),
    }
    *experts, read = x = values(vectors(6, 6, 6, 16))
    for task, result in enumerate(made(x)):
        expected = np.einsum("be,ebw->bw", softmax(dense(made.weights, f"gate_{task}", read)), np.stack(experts))
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text", [MLP, ""], ids=["own experts", "experts of other blocks"])
def test_gates_tell_how_much_of_each_expert_they_took(text):
    inputs = vector(4) if text else vectors(6, 6, 6, 4)
    made = make("MMoE", f"num_task: 2 num_expert: 3 {text}", inputs)
    x, gates = values(inputs), GateWeights()
    made(x, Call(gates=gates))
    assert gates.experts == dict.fromkeys([f"{NAME}/gate_0", f"{NAME}/gate_1"], ("expert_0", "expert_1", "expert_2"))
    for task, sums in enumerate(gates.sums().values()):
        shares = softmax(dense(made.weights, f"gate_{task}", x if text else x[-1]))
        np.testing.assert_allclose(sums.weights, shares.sum(axis=0), rtol=1e-5)


def test_experts_start_differently_and_their_norms_and_dropout_train():
    made = make("MMoE", "num_task: 1 num_expert: 2 expert_mlp { hidden_units: 64 dropout_ratio: 0.5 }", vector(4))
    before = [expert.layers[0].norm.mean.numpy() for expert in made.layer.experts]
    made(values(vector(4), rows=32), training())
    for expert, mean in zip(made.layer.experts, before, strict=True):
        assert np.abs(expert.layers[0].norm.mean - mean).max() > 1e-4
    drops = [
        expert.layers[0].dropout(np.ones([32, 64], np.float32), training()).numpy() for expert in made.layer.experts
    ]
    assert all(0.4 < (drop == 0).mean() < 0.6 for drop in drops) and (drops[0] != drops[1]).any()


def test_experts_have_initial_values_of_their_own():
    from easymtl.layers.context import Build
    from easymtl.layers.named import LAYERS
    from easymtl.protos.backbone_pb2 import MMoELayer

    config = MMoELayer(num_task=1, num_expert=2, expert_mlp={"hidden_units": [6]})
    LAYERS["MMoE"].layer(build := Build(), "m", config, vector(4))
    first, second = (build.parameters[f"m/expert_{i}/layer_0/dense/kernel"].read().numpy() for i in range(2))
    assert np.abs(first - second).max() > 0.01


def test_l2_reaches_experts_and_gates():
    made = make("MMoE", f"num_task: 2 num_expert: 1 {MLP}", vector(4))
    assert [tuple(variable.shape) for variable in made.build.regularized] == [(4, 8), (8, 6), (4, 1), (4, 1)]


def test_without_experts_the_input_passes():
    made = make("MMoE", "num_task: 2 num_expert: 0", vectors(4, 3))
    x = values(vectors(4, 3))
    assert made.shape == vectors(4, 3)
    assert made.weights == {}
    for found, one in zip(made(x), x, strict=True):
        np.testing.assert_array_equal(found, one.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        (f"num_expert: 2 {MLP}", vector(4), "needs num_task, the number of its results, for example num_task: 2"),
        (f"num_task: 2 {MLP}", vector(4), "has expert_mlp; it needs num_expert too, for example num_expert: 3"),
        (
            "num_task: 2 num_expert: 3",
            vectors(6, 6, 4),
            "has num_expert 3, but is given 2 tensors before the input of its gates",
        ),
        ("num_task: 2", vectors(6, 5, 4), "mixes experts of one width, but is given widths 6, 5"),
        (
            "num_task: 2 num_expert: 3",
            vector(4),
            "has no expert_mlp { }, so it takes a list: the outputs of experts, then the input of the gates. "
            "It is given [batch, 4]",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("MMoE", text, inputs) == message
