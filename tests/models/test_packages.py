"""Packages: one set of weights for all calls, inputs and dropout of each call's own."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.models.backbone import GraphError
from tests.models.graphs import ROWS, TRAINING, make_backbone, make_inputs, run, value_of, weights

NET = 'keras_layer { class_name: "MLP" mlp { hidden_units: [3] use_bn: false use_final_bn: false %s } }'
ALL, OTHER = 'feature_group_name: "all"', 'feature_group_name: "other"'


def block(name: str, *inputs: str, rest: str = "") -> str:
    return f'blocks {{ name: "{name}" {" ".join(f"inputs {{ {one} }}" for one in inputs)} {rest} }}'


def package(name: str, *blocks: str, rest: str = "") -> str:
    return f'packages {{ name: "{name}" {" ".join(blocks)} {rest} }}'


def called(name: str, with_block: str, rest: str = "") -> str:
    return f'package_name: "{name}" package_input: "{with_block}" {rest}'


ENCODER = package("enc", block("net", "use_package_input: true", rest=NET % ""))
A = block("a", ALL)
B = block("b", ALL, rest='lambda { expression: "lambda x: x * 2" }')


def test_all_calls_share_the_weights():
    text = A + B + block("join", called("enc", "a"), called("enc", "b")) + ENCODER + 'concat_blocks: "join"'
    backbone, build = make_backbone(text)
    ((name, kernel),) = weights(build).items()
    assert name == "backbone/enc/net/layer_0/dense/kernel"
    x = make_inputs()["all"].numpy()
    expected = np.maximum(np.concatenate([x @ kernel, 2 * x @ kernel], axis=1), 0)
    np.testing.assert_allclose(backbone(make_inputs(), Call())[0][0], expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_of_all_calls_reaches_the_weights():
    text = A + B + block("join", called("enc", "a"), called("enc", "b")) + ENCODER + 'concat_blocks: "join"'
    backbone, _ = make_backbone(text)
    (kernel,) = backbone.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        result = backbone(make_inputs(), TRAINING)[0][0]
        first, second, total = tf.reduce_sum(result[:, :3]), tf.reduce_sum(result[:, 3:]), tf.reduce_sum(result)
    parts = [tape.gradient(part, kernel).numpy() for part in (first, second, total)]
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], rtol=1e-5, atol=1e-5)
    assert np.any(parts[0]) and np.any(parts[1])


def test_each_call_drops_values_of_its_own():
    text = A + package("enc", block("net", "use_package_input: true", rest=NET % "dropout_ratio: 0.5"))
    text += block("join", called("enc", "a"), called("enc", "a"), rest="merge_inputs_into_list: true")
    first, second = run(text, TRAINING)
    assert not np.array_equal(first == 0, second == 0)
    again, _ = run(text, TRAINING)
    np.testing.assert_array_equal(first, again)
    first, second = run(text)
    np.testing.assert_array_equal(first, second)


def test_a_norm_counts_every_call():
    text = (
        A
        + B
        + package("enc", block("net", "use_package_input: true", rest=NET.replace("use_final_bn: false", "") % ""))
    )
    backbone, build = make_backbone(
        text + block("join", called("enc", "a"), called("enc", "b")) + 'concat_blocks: "join"'
    )
    backbone(make_inputs(), TRAINING)
    assert build.parameters["backbone/enc/net/layer_0/bn/count"].read().numpy() == 2


def test_a_package_may_be_called_with_a_function_of_a_block_or_with_a_package():
    maker = package("q", block("made", OTHER))
    text = (
        A
        + maker
        + package("double", block("net", "use_package_input: true", rest='lambda { expression: "lambda x: x + x" }'))
    )
    one = called("double", "a", 'package_input_fn: "lambda x: x[:, :2]" input_slice: "[:, 1:]"')
    np.testing.assert_allclose(value_of("j", text + block("j", one)), 2 * make_inputs()["all"][:, 1:2])
    np.testing.assert_allclose(value_of("j", text + block("j", called("double", "q"))), 2 * make_inputs()["other"])


def test_packages_read_blocks_of_the_backbone_and_call_other_packages():
    inner = package("inner", block("net", "use_package_input: true", 'block_name: "z"'))
    outer = package("outer", block("net", called("inner", "mine")), block("mine", "use_package_input: true"))
    text = A + block("z", OTHER) + inner + outer + block("j", called("outer", "a"))
    expected = np.concatenate([make_inputs()["all"], make_inputs()["other"]], axis=1)
    np.testing.assert_array_equal(value_of("j", text), expected)


def test_a_package_has_results_as_a_backbone_has():
    blocks = [block("x", "use_package_input: true"), block("y", "use_package_input: true")]
    text = A + block("j", called("p", "a"))
    assert value_of("j", text + package("p", *blocks)).shape == (ROWS, 24)
    assert value_of("j", text + package("p", *blocks, rest='concat_blocks: "y"')).shape == (ROWS, 12)
    result = value_of("j", text + package("p", *blocks, rest='output_blocks: ["y", "x", "y"]'))
    assert isinstance(result, list) and len(result) == 3


def test_a_call_may_read_the_groups_in_another_way_for_itself_alone():
    text = package("p", block("fea", ALL, rest="input_layer { }"))
    reset = 'package_name: "p" reset_input { only_output_feature_list: true }'
    text += block("j", 'package_name: "p"') + block("k", reset) + block("l", 'package_name: "p"')
    assert value_of("j", text).shape == value_of("l", text).shape == (ROWS, 12)
    assert [part.shape for part in value_of("k", text)] == [(ROWS, 4)] * 3


def test_norms_of_a_package_are_shared_by_its_calls():
    text = package("p", block("fea", ALL, rest="input_layer { do_layer_norm: true }"))
    _, build = make_backbone(text + block("j", 'package_name: "p"', 'package_name: "p"'))
    assert list(build.parameters) == ["all_features/gamma", "all_features/beta"]


def test_a_loss_of_each_call_is_added():
    aux = """merge_inputs_into_list: true keras_layer { class_name: "AuxiliaryLoss" st_params {
        fields { key: "loss_type" value { string_value: "l2_loss" } } } }"""
    blocks = [
        block("net", "use_package_input: true"),
        block("zero", "use_package_input: true", rest='lambda { expression: "lambda x: x * 0" }'),
    ]
    text = (
        A
        + B
        + package(
            "p", *blocks, block("aux", 'block_name: "net"', 'block_name: "zero"', rest=aux), rest='concat_blocks: "net"'
        )
    )
    backbone, _ = make_backbone(text + block("j", called("p", "a"), called("p", "b")) + 'concat_blocks: "j"')
    losses: dict[str, tf.Tensor] = {}
    backbone(make_inputs(), replace(TRAINING, losses=losses))
    first, second = losses.values()
    np.testing.assert_allclose(second, 4 * first, rtol=1e-5)


def test_calls_with_inputs_of_two_widths_are_told():
    text = A + block("b", OTHER) + ENCODER + block("j", called("enc", "a"), called("enc", "b"))
    with pytest.raises(GraphError) as caught:
        make_backbone(text + 'concat_blocks: "j"')
    assert str(caught.value) == (
        'model_config.backbone.packages[0].blocks[0].keras_layer "enc/net" (MLP) is given [batch, 5] by one call of '
        "its package and [batch, 12] by another: all calls share its weights, so that their inputs have one shape."
    )


def test_what_is_wrong_in_a_package_is_told_once():
    bad = package("enc", block("net", "use_package_input: true", rest='keras_layer { class_name: "MPL" }'))
    with pytest.raises(GraphError) as caught:
        make_backbone(A + bad + block("j", called("enc", "a"), called("enc", "a")) + 'concat_blocks: "j"')
    assert str(caught.value).count("\n") == 0
    assert str(caught.value).startswith('model_config.backbone.packages[0].blocks[0].keras_layer.class_name "MPL" is')
