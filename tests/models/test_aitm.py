"""AITM: equations 4 to 6 of the paper against NumPy, and the chains."""

import numpy as np
import pytest

from tests.models.architectures import EVALUATION, X, gradients_by_name, logits, make_model, randomize

TOWERS = {
    "a": 'tower_name: "a" dnn { hidden_units: [5] use_bn: false }',
    "b": 'tower_name: "b" dnn { hidden_units: [4] use_bn: false }',
    "c": 'tower_name: "c" dnn { hidden_units: [3] use_bn: false }',
}


def aitm(more: str = "", **relations: str) -> str:
    towers = {name: f'{text} relation_tower_names: "{relations[name]}"' if name in relations else text
              for name, text in TOWERS.items()}  # fmt: skip
    return f"aitm {{ {more} {' '.join(f'task_towers {{ {text} }}' for text in towers.values())} }}"


@pytest.fixture
def made():
    model, build = make_model(aitm())
    randomize(build)
    return model, build


def dense(build, name, x):
    kernel, bias = (build.parameters[f"{name}/{part}"].read().numpy().astype(float) for part in ("kernel", "bias"))
    return x @ kernel + bias


def attend(build, task, transferred, own):
    """Equations 4 to 6 in float64; returns z and the weights `[batch, 2]`."""
    both = np.stack([transferred, own], axis=1)
    value, key, query = (dense(build, f"{task}/attention/{part}", both) for part in ("value", "key", "query"))
    scores = np.exp((key * query).sum(-1) / np.sqrt(own.shape[1]))
    weights = scores / scores.sum(1, keepdims=True)
    return (weights[:, :, None] * value).sum(1), weights


def test_each_tower_attends_to_what_the_one_before_it_hands_on(made):
    model, build = made
    towers = {name: np.maximum(dense(build, f"{name}/dnn_0", X.astype(float)), 0) for name in "abc"}
    z = {"a": towers["a"]}
    z["b"], _ = attend(build, "b", dense(build, "b/transfer/dnn", z["a"]), towers["b"])
    z["c"], _ = attend(build, "c", dense(build, "c/transfer/dnn", z["b"]), towers["c"])
    for index, (name, value) in enumerate(logits(model).items()):
        expected = dense(build, f"dnn_output_{index}", z[name])
        np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4)


def test_weights_of_the_attention_sum_to_1_and_are_those_of_the_paper(made):
    model, build = made
    attention = model.towers.relations.attentions["b"]
    both = [np.random.default_rng(seed).normal(size=[32, 4]).astype(np.float32) for seed in (1, 2)]
    weights = attention.weights(both, EVALUATION).numpy()
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights, attend(build, "b", *both)[1], rtol=1e-4)
    assert weights.std() > 0.01


def test_an_attention_that_is_sure_takes_one_side(made):
    model, build = made
    attention = model.towers.relations.attentions["b"]
    both = [np.full([2, 4], value, np.float32) for value in (-1.0, 1.0)]
    for part in ("key", "query"):
        build.parameters[f"b/attention/{part}/kernel"].assign(np.full([4, 4], 3.0, np.float32))
        build.parameters[f"b/attention/{part}/bias"].assign(np.full([4], 12.0, np.float32))
    np.testing.assert_allclose(attention.weights(both, EVALUATION), [[0, 1]] * 2, atol=1e-6)
    np.testing.assert_allclose(attention(*both, EVALUATION), attention.value(both[1], EVALUATION), rtol=1e-5)


def test_a_task_sends_its_gradient_up_the_chain_and_not_down(made):
    model, build = made
    found = gradients_by_name(model, build, ["b"])
    for name in ("a/dnn_0/kernel", "b/transfer/dnn/kernel", "b/attention/key/kernel", "b/dnn_0/kernel"):
        assert np.any(found[name]), name
    for name in ("c/dnn_0/kernel", "c/transfer/dnn/kernel", "dnn_output_0/kernel", "dnn_output_2/kernel"):
        assert not np.any(found[name]), name


def test_relation_tower_names_make_the_chains():
    model, build = make_model(aitm(a="c", b="c"))
    assert model.towers.relations.before == {"a": "c", "b": "c", "c": ""}
    assert {name.split("/")[0] for name in build.parameters if "/attention/" in name} == {"a", "b"}
    assert build.parameters["a/transfer/dnn/kernel"].shape == (3, 5)


def test_the_order_of_the_config_is_the_chain_otherwise(made):
    assert made[0].towers.relations.before == {"a": "", "b": "a", "c": "b"}


def test_the_transfer_may_have_hidden_layers():
    _, build = make_model(aitm("transfer_dnn { hidden_units: [8] } bottom_dnn { hidden_units: [6] }"))
    assert build.parameters["b/transfer/hidden/dnn_0/kernel"].shape == (5, 8)
    assert build.parameters["b/transfer/dnn/kernel"].shape == (8, 4)
    assert build.parameters["bottom_dnn/dnn_0/kernel"].shape == (6, 6)


def test_a_tower_without_layers_hands_on_what_it_reads():
    model, build = make_model('aitm { task_towers { tower_name: "a" } task_towers { tower_name: "b" } }')
    assert build.parameters["b/transfer/dnn/kernel"].shape == (6, 6)
    assert logits(model)["b"].shape == (32, 1)
