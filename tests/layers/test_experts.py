"""Experts side by side compute what each would alone, differ from the start, and are mixed by weights that sum to 1."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.layers.context import Build, Call
from easymtl.layers.dense import DNN
from easymtl.layers.experts import Experts, Gate, StackedDNN, mix, mix_all
from easymtl.protos import layer_pb2

X = np.random.default_rng(1).normal(size=[16, 5]).astype(np.float32)
TRAINING = Call(training=True, seed=np.array([0, 3]))
NAMES = ["m/expert_0", "m/expert_1", "m/expert_2"]


def config(text: str) -> layer_pb2.DNN:
    return text_format.Parse(text, layer_pb2.DNN())


def stack_and_singles(text: str) -> tuple[StackedDNN, list[DNN]]:
    """Returns a stack and separate DNNs with the same random weights."""
    stacked, separate = Build(), Build()
    stack = StackedDNN(stacked, NAMES, 5, config(text))
    singles = [DNN(separate, name, 5, config(text)) for name in NAMES]
    assert set(stacked.parameters) == set(separate.parameters)
    for index, (name, parameter) in enumerate(stacked.parameters.items()):
        assert parameter.shape == separate.parameters[name].shape
        value = tf.random.stateless_uniform(parameter.shape, [index, 5], 0.2, 1.0)
        value = tf.ones_like(value) if name.endswith("count") else value
        parameter.assign(value)
        separate.parameters[name].assign(value)
    return stack, singles


@pytest.mark.parametrize("call", [Call(), TRAINING], ids=["evaluation", "training"])
@pytest.mark.parametrize("activation", ["relu", "prelu", "dice", "gelu"])
@pytest.mark.parametrize("use_bn", ["true", "false"])
def test_a_stack_computes_what_its_dnns_would(use_bn, activation, call):
    text = f'hidden_units: [6, 4, 3] use_bn: {use_bn} activation: "{activation}"'
    stack, singles = stack_and_singles(text)
    expected = np.stack([dnn(X, call) for dnn in singles], axis=1)
    np.testing.assert_allclose(stack(X, call), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("use_bn", ["true", "false"])
def test_the_dnns_of_a_stack_may_have_an_input_each(use_bn):
    stack, singles = stack_and_singles(f"hidden_units: [6, 4] use_bn: {use_bn}")
    x = tf.random.stateless_normal([16, 3, 5], [1, 4])
    expected = np.stack([dnn(x[:, index], TRAINING) for index, dnn in enumerate(singles)], axis=1)
    np.testing.assert_allclose(stack(x, TRAINING), expected, atol=2e-5, rtol=1e-4)


def test_a_stack_moves_the_norms_of_each_of_its_dnns():
    stack, singles = stack_and_singles("hidden_units: [6, 4] use_bn: true")
    stack(X, TRAINING)
    for dnn in singles:
        dnn(X, TRAINING)
    for layer, norm in enumerate(stack.norms):
        for kind in ("mean", "variance"):
            expected = np.concatenate([getattr(dnn.norms[layer], kind).numpy() for dnn in singles])
            np.testing.assert_allclose(getattr(norm, kind), expected, atol=1e-5)


def test_a_stack_sends_each_dnn_its_own_gradient():
    stack, singles = stack_and_singles("hidden_units: [6, 4]")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(stack(X, TRAINING) * tf.constant([[[1.0], [2.0], [0.0]]]))
    gradients = tape.gradient(total, stack.kernels)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(singles[0](X, TRAINING)) + 2 * tf.reduce_sum(singles[1](X, TRAINING))
    for gradient in gradients:
        assert not np.any(gradient[2])
    expected = tape.gradient(total, [single.dense[1].kernel for single in singles[:2]])
    np.testing.assert_allclose(gradients[1][:2], np.stack(expected), rtol=1e-4, atol=1e-4)


def test_dropout_drops_in_every_expert_and_differently():
    stack = StackedDNN(Build(), NAMES, 5, config("hidden_units: 200 use_bn: false dropout_ratio: 0.5"))
    stack.biases[0].assign(tf.fill([600], 100.0))
    dropped = stack(X, TRAINING).numpy() == 0
    for expert in range(3):
        assert 0.4 < dropped[:, expert].mean() < 0.6
    assert 0.4 < (dropped[:, 0] != dropped[:, 1]).mean() < 0.6
    assert not np.any(stack(X, Call()).numpy() == 0)


@pytest.mark.parametrize("texts", [["hidden_units: [6, 4]"] * 3, ["hidden_units: [6, 4]", "hidden_units: [3, 4]"]])
def test_experts_differ_at_the_start(texts):
    build = Build()
    output = Experts(build, NAMES[: len(texts)], 5, [config(text) for text in texts])(X, Call())
    assert output.shape == (16, len(texts), 4)
    assert not np.allclose(output[:, 0], output[:, 1])
    assert f"m/expert_{len(texts) - 1}/dnn_1/kernel" in build.parameters


def test_unequal_experts_train_their_norms_and_drop():
    build = Build()
    texts = ["hidden_units: [6, 4] use_bn: true dropout_ratio: [0, 0.5]", "hidden_units: 4 use_bn: true"]
    experts = Experts(build, NAMES[: len(texts)], 5, [config(text) for text in texts])
    experts(X, TRAINING)
    counts = {name: parameter.read().numpy() for name, parameter in build.parameters.items() if "count" in name}
    assert len(counts) == 3
    assert all(count == 1 for count in counts.values())
    assert [stack.dropouts[-1].rate for stack in experts.stacks] == [0.5, 0.0]


def test_neighbours_of_equal_shape_are_computed_together_and_nothing_changes():
    equal, other = config("hidden_units: [6, 4]"), config("hidden_units: [3, 4]")
    build, alone = Build(), Build()
    experts = Experts(build, ["a", "b", "c", "d"], 5, [equal, equal, other, equal])
    assert [stack.num_stack for stack in experts.stacks] == [2, 1, 1]
    singles = [DNN(alone, name, 5, text) for name, text in zip("abcd", [equal, equal, other, equal])]
    expected = np.stack([dnn(X, Call()) for dnn in singles], axis=1)
    np.testing.assert_allclose(experts(X, Call()), expected, rtol=1e-5, atol=1e-6)
    assert set(build.parameters) == set(alone.parameters)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
@pytest.mark.parametrize("hidden", [None, "hidden_units: 8 use_bn: true"])
def test_the_weights_of_a_gate_are_positive_float32_and_sum_to_1(hidden, dtype):
    gate = Gate(Build(), "g", 5, 4, config(hidden) if hidden else None)
    weights = gate(10 * X, Call(training=True, dtype=dtype, seed=TRAINING.seed))
    assert weights.dtype == tf.float32
    assert np.all(weights.numpy() >= 0)
    np.testing.assert_allclose(tf.reduce_sum(weights, axis=1), np.ones(16), rtol=1e-6)


def test_a_gate_is_a_softmax_of_its_dense_layer():
    gate = Gate(Build(), "g", 5, 4)
    logits = gate.dense(X, Call()).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(gate(X, Call()), expected, rtol=1e-5)


def test_mix_is_the_weighted_sum_of_the_experts():
    weights = tf.random.stateless_uniform([16, 3], [1, 2])
    experts = tf.random.stateless_normal([16, 3, 4], [3, 4])
    np.testing.assert_allclose(mix(weights, experts), np.einsum("bk,bkw->bw", weights, experts), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_several_mixtures_of_the_same_experts_are_each_what_they_are_alone(dtype):
    weights = [tf.random.stateless_uniform([16, 3], [1, seed]) for seed in range(4)]
    experts = tf.cast(tf.random.stateless_normal([16, 3, 4], [3, 4]), dtype)
    together = mix_all(weights, experts)
    assert len(together) == 4
    for found, weight in zip(together, weights):
        assert found.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(found, tf.float32), tf.cast(mix(weight, experts), tf.float32), rtol=1e-5, atol=1e-6
        )


MANY = [f"m/expert_{index}" for index in range(32)]


@pytest.mark.parametrize("is_shared", [True, False], ids=["one_input", "an_input_each"])
def test_wide_experts_take_turns_in_training_and_compute_what_they_do_side_by_side(is_shared):
    build = Build()
    stack = StackedDNN(build, MANY, 5, config("hidden_units: [128, 144] use_bn: true"))
    shape = [64, 5] if is_shared else [64, 32, 5]
    x, upstream = tf.random.stateless_normal(shape, [1, 4]), tf.random.stateless_normal([64, 32, 144], [2, 4])
    for norm in stack.norms:
        norm.offset.assign(tf.linspace(-0.5, 0.5, norm.offset.shape[0]))
        norm.scale.assign(tf.linspace(0.5, 1.5, norm.scale.shape[0]))
    stack.biases[0].assign(tf.linspace(-1.0, 1.0, 32 * 128))
    trained = [*stack.kernels, *(weight for norm in stack.norms for weight in (norm.scale, norm.offset))]
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = stack(x, TRAINING)
    gradients = tape.gradient(output, [*trained, x], output_gradients=upstream)
    kernels = [kernel.numpy().astype(np.float64) for kernel in stack.kernels]
    norms = [(norm.scale.numpy(), norm.offset.numpy()) for norm in stack.norms]
    for index in (0, 31):
        hidden = (x if is_shared else x[:, index]).numpy().astype(np.float64)
        for layer, (kernel, (scale, offset)) in enumerate(zip(kernels, norms)):
            columns = slice(index * kernel.shape[-1], (index + 1) * kernel.shape[-1])
            hidden = hidden @ kernel[index]
            mean, variance = hidden.mean(0), hidden.var(0)
            bias = stack.biases[layer].numpy()[columns]
            np.testing.assert_allclose(stack.norms[layer].statistics()[0][columns], mean + bias, rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(stack.norms[layer].statistics()[1][columns], variance, rtol=1e-4, atol=1e-6)
            normalized = (hidden - mean) / np.sqrt(variance + 1e-3)
            hidden = np.maximum(normalized * scale[columns] + offset[columns], 0)
        np.testing.assert_allclose(output[:, index], hidden, rtol=1e-3, atol=1e-4)
    other = StackedDNN(Build(), MANY, 5, config("hidden_units: [128, 144] use_bn: true"))
    for variable, value in zip(other.variables, stack.variables, strict=True):
        variable.assign(value)
    # What a dropout that drops next to nothing asks for: all of them side by side.
    other.dropouts[0].rate = 1e-30
    with tf.GradientTape() as tape:
        tape.watch(x)
        side_by_side = other(x, TRAINING)
    trained = [*other.kernels, *(weight for norm in other.norms for weight in (norm.scale, norm.offset))]
    expected = tape.gradient(side_by_side, [*trained, x], output_gradients=upstream)
    np.testing.assert_allclose(output, side_by_side, rtol=1e-4, atol=1e-5)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize(
    ("text", "call", "products"),
    [
        ("hidden_units: 128 use_bn: true", TRAINING, 32),
        ("hidden_units: 128 use_bn: true", Call(), 1),
        ("hidden_units: 128 use_bn: false", TRAINING, 1),
        ("hidden_units: [120, 128] use_bn: true", TRAINING, 1),
        ("hidden_units: [128, 64] use_bn: true", TRAINING, 1),
        ("hidden_units: 136 use_bn: true", TRAINING, 1),
        ('hidden_units: 128 use_bn: true activation: "prelu"', TRAINING, 1),
        ("hidden_units: 128 use_bn: true dropout_ratio: 0.5", TRAINING, 1),
    ],
)
def test_only_wide_experts_with_norms_take_turns_and_only_in_training(text, call, products):
    stack = StackedDNN(Build(), MANY, 5, config(text))
    function = tf.function(lambda x: stack(x, call), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec([None, 5])).graph
    assert [operation.type for operation in graph.get_operations()].count("MatMul") == products


def test_a_few_wide_experts_stay_side_by_side():
    stack = StackedDNN(Build(), NAMES, 5, config("hidden_units: 128 use_bn: true"))
    function = tf.function(lambda x: stack(x, TRAINING), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec([None, 5])).graph
    assert [operation.type for operation in graph.get_operations()].count("MatMul") == 1
