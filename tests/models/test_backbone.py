"""Block graphs as networks: what blocks read, hand on and compute, and the names of their weights."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.steps import Steps
from easymtl.models.backbone import GraphError
from tests.models.graphs import (
    GROUPS,
    LENGTHS,
    ROWS,
    TRAINING,
    arrays,
    make_backbone,
    make_inputs,
    randomize,
    run,
    value_of,
    weights,
)

MLP = 'keras_layer { class_name: "MLP" mlp { hidden_units: [%s] use_bn: false use_final_bn: false } }'


@pytest.fixture(scope="module")
def given() -> dict[str, np.ndarray]:
    """The made-up groups, and their features as `<group>/<feature>`."""
    inputs = make_inputs()
    parts = {f"{group}/{name}": part for group in GROUPS for name, part in inputs.vectors(group).items()}
    return {name: value.numpy() for name, value in {**inputs, **parts}.items()}


def block(name: str, *inputs: str, rest: str = "") -> str:
    return f'blocks {{ name: "{name}" {" ".join(f"inputs {{ {one} }}" for one in inputs)} {rest} }}'


def relu(x: np.ndarray, *kernels: np.ndarray) -> np.ndarray:
    """Returns what an MLP without norms and biases makes of x, in float64."""
    for kernel in kernels:
        x = np.maximum(np.asarray(x, np.float64) @ kernel, 0)
    return x


ALL, OTHER = 'feature_group_name: "all"', 'feature_group_name: "other"'
A = block("a", ALL)


def test_inputs_are_joined(given):
    both = np.concatenate([given["all"], given["other"]], axis=1)
    np.testing.assert_array_equal(run(block("j", ALL, OTHER)), both)
    np.testing.assert_array_equal(run(A + block("b", OTHER)), both)
    np.testing.assert_array_equal(run(A + block("b", OTHER) + 'concat_blocks: ["b", "a"]'), np.roll(both, 5, axis=1))


def test_inputs_are_merged_into_a_list_even_a_single_one(given):
    (result,) = run(block("j", ALL, rest="merge_inputs_into_list: true"))
    np.testing.assert_array_equal(result, given["all"])
    first, second = run(A + block("b", OTHER) + 'output_blocks: ["b", "a"]')
    np.testing.assert_array_equal(first, given["other"])
    np.testing.assert_array_equal(second, given["all"])


def test_a_list_takes_up_what_is_no_list(given):
    text = block("l", ALL, rest="input_layer { only_output_feature_list: true }")
    result = run(text + block("j", 'block_name: "l"', OTHER))
    assert [part.shape[1] for part in result] == [4, 4, 4, 5]


def test_slices_and_functions_are_applied_in_order(given):
    text = block("l", ALL, rest="input_layer { output_2d_tensor_and_feature_list: true }")
    one = 'block_name: "l" input_slice: "[1][2]" input_fn: "lambda x: [x, x * 2]"'
    result = run(text + block("j", one, rest='extra_input_fn: "lambda x: x[1] - x[0]"'))
    np.testing.assert_allclose(result, given["all/c"], rtol=1e-6)


def test_tensors_are_joined_along_the_axis_of_the_block():
    text = block("l", ALL, rest="input_layer { only_output_3d_tensor: true }")
    twice = block("j", 'block_name: "l"', 'block_name: "l"', rest="input_concat_axis: 1")
    result = value_of("j", text + twice)
    assert result.shape == (ROWS, 6, 4)


def test_what_is_ignored_is_not_read(given):
    result = run(A + block("b", OTHER) + block("j", 'block_name: "a"', 'block_name: "b" ignore_input: true'))
    np.testing.assert_array_equal(result, given["all"])


def test_layers_in_a_row(given):
    rest = f"""layers {{ {MLP % "6"} }} layers {{ lambda {{ expression: "lambda x: tf.square(x)" }} }}
        layers {{ repeat {{ num_repeat: 2 output_concat_axis: 1 {MLP % "2"} }} }}"""
    backbone, build = make_backbone(block("chain", ALL, rest=rest))
    found = weights(build)
    names = ["chain_l0", "chain_l2_0", "chain_l2_1"]
    assert list(found) == [f"backbone/{name}/layer_0/dense/kernel" for name in names]
    first, *copies = found.values()
    hidden = relu(given["all"], first) ** 2
    expected = np.concatenate([relu(hidden, copy) for copy in copies], axis=1)
    np.testing.assert_allclose(backbone(make_inputs(), Call())[0][0], expected, rtol=1e-5)


def test_copies_have_weights_of_their_own_and_see_their_number(given):
    fea = block("fea", ALL, rest="input_layer { only_output_feature_list: true }")
    repeat = 'repeat { num_repeat: 3 input_slice: "[i]" input_fn: "lambda x, i: x * i" %s %s }'
    backbone, build = make_backbone(fea + block("rep", 'block_name: "fea"', rest=repeat % (MLP % "2", "")))
    kernels = [weights(build)[f"backbone/rep_{i}/layer_0/dense/kernel"] for i in range(3)]
    assert len({kernel.tobytes() for kernel in kernels}) == 3
    results = backbone(make_inputs(), Call())[0]
    for index, (name, kernel, result) in enumerate(zip("abc", kernels, results)):
        np.testing.assert_allclose(result, relu(given[f"all/{name}"] * index, kernel), rtol=1e-5, atol=1e-6)
    joined = run(fea + block("rep", 'block_name: "fea"', rest=repeat % (MLP % "2", "output_concat_axis: -1")))
    np.testing.assert_array_equal(joined, np.concatenate(arrays(results), axis=1))


def test_copies_are_joined_along_their_axis():
    fields = 'inputs { feature_group_name: "all" } input_layer { only_output_3d_tensor: true }'
    copies = 'repeat { num_repeat: 2 output_concat_axis: 1 keras_layer { class_name: "ReLU" } }'
    value = value_of("rep", f'blocks {{ name: "fea" {fields} }}' + block("rep", 'block_name: "fea"', rest=copies))
    one = np.maximum(make_inputs()["all"].numpy().reshape(ROWS, 3, 4), 0)
    np.testing.assert_array_equal(arrays(value), np.concatenate([one, one], axis=1))


def test_one_copy_is_no_list():
    assert run(block("rep", ALL, rest=f"repeat {{ {MLP % '2'} }}")).shape == (ROWS, 2)


def test_recurrent_layers_follow_each_other(given):
    backbone, build = make_backbone(block("rec", ALL, rest=f"recurrent {{ num_steps: 3 {MLP % '12'} }}"))
    found = weights(build)
    assert list(found) == [f"backbone/rec_{i}/layer_0/dense/kernel" for i in range(3)]
    np.testing.assert_allclose(
        backbone(make_inputs(), Call())[0][0], relu(given["all"], *found.values()), rtol=1e-4, atol=1e-6
    )


def test_a_recurrent_layer_keeps_its_fixed_input(given):
    text = block(
        "cross",
        'feature_group_name: "all" input_fn: "lambda x: [x, x]"',
        rest='recurrent { num_steps: 2 fixed_input_index: 0 keras_layer { class_name: "Cross" } }',
    )
    backbone, build = make_backbone(text)
    randomize(build)
    x0 = x = given["all"].astype(np.float64)
    for name in ("cross_0/dense", "cross_1/dense_1"):
        kernel, bias = (weights(build)[f"backbone/{name}/{part}"] for part in ("kernel", "bias"))
        x = x0 * (x @ kernel + bias) + x
    np.testing.assert_allclose(backbone(make_inputs(), Call())[0][0], x, rtol=1e-4, atol=1e-4)


def test_the_fixed_input_stays_at_its_place(given):
    inputs = 'feature_group_name: "all" input_fn: "lambda x: [x, x * 0.25]"'
    recurrent = 'recurrent { num_steps: 2 fixed_input_index: 1 keras_layer { class_name: "Subtract" } }'
    np.testing.assert_allclose(run(block("a", inputs, rest=recurrent)), given["all"] * 0.5, rtol=1e-5)


def test_several_values_may_go_around_beside_the_fixed_one():
    rest = """recurrent { num_steps: 2 fixed_input_index: 1
        keras_layer { class_name: "MMoE" mmoe { num_task: 2 } } }"""
    with pytest.raises(
        GraphError, match=r'recurrent.fixed_input_index "a" needs a list of two or more values, one of w'
    ):
        make_backbone(block("a", ALL, rest=rest))


def test_a_list_within_the_list_of_output_blocks_is_refused_with_advice():
    mmoe = 'keras_layer { class_name: "MMoE" mmoe { num_task: 2 num_expert: 2 expert_mlp { hidden_units: 3 } } }'
    with pytest.raises(GraphError, match=r"gives a list within a list .*: a block that gives a list .* concat_blocks"):
        make_backbone(block("a", ALL, rest=mmoe) + 'output_blocks: "a"')


def test_the_top_mlp_reads_the_results_joined(given):
    backbone, build = make_backbone(
        A + block("b", OTHER) + 'output_blocks: ["a", "b"] top_mlp { hidden_units: [3] use_final_bn: false }'
    )
    found = weights(build)
    assert list(found) == ["backbone_top_mlp/layer_0/dense/kernel"]
    both = np.concatenate([given["all"], given["other"]], axis=1)
    (result,), _ = backbone(make_inputs(), Call())
    np.testing.assert_allclose(result, relu(both, *found.values()), rtol=1e-5)
    assert (backbone.results.widths, backbone.results.is_list) == ([3], False)


def test_outputs_are_told_by_the_names_of_their_blocks():
    score = 'keras_layer { class_name: "MLP" mlp { hidden_units: [1] use_final_bn: false add_to_outputs: true } }'
    backbone, _ = make_backbone(block("score", ALL, rest=score) + A + 'concat_blocks: "a"')
    _, outputs = backbone(make_inputs(), Call())
    assert {name: value.shape for name, value in outputs.items()} == {"score": (ROWS, 1)}


def test_the_graph_runs_in_half_precision_and_close_to_itself():
    text = block("m", ALL, rest=MLP % "8") + block("j", 'block_name: "m"', OTHER)
    text += block("s", 'block_name: "j"', rest='lambda { expression: "lambda x: [x, x * 2]" }')
    text += block("t", 'block_name: "s"', ALL, rest='extra_input_fn: "lambda x: tf.concat(x, axis=1)"')
    full, half = (run(text, Call(dtype=dtype)) for dtype in (tf.float32, tf.bfloat16))
    assert half.dtype.name == "bfloat16"
    np.testing.assert_allclose(half.astype(np.float32), full, rtol=0.05, atol=0.05)


def test_histories_are_handed_on_as_steps(given):
    text = block("h", 'feature_group_name: "seq"', rest="input_layer { output_seq_and_normal_feature: true }")
    history, lengths, rest = arrays(value_of("h", text))
    assert history.shape == (ROWS, 3, 6)
    np.testing.assert_array_equal(lengths, LENGTHS)
    np.testing.assert_array_equal(rest, given["seq/item"])
    assert isinstance(value_of("first", text + block("first", 'block_name: "h" input_slice: "[0]"')), Steps)


def test_histories_that_are_not_joined_are_lists():
    options = "input_layer { output_seq_and_normal_feature: true concat_seq_feature: false }"
    histories, lengths, rest = value_of("h", block("h", 'feature_group_name: "seq"', rest=options))
    assert [part.width for part in histories] == [4, 2]
    np.testing.assert_array_equal(lengths, LENGTHS)
    assert [part.shape for part in rest] == [(ROWS, 4)]


def test_a_layer_adds_its_loss_to_those_of_the_call():
    aux = """merge_inputs_into_list: true keras_layer { class_name: "AuxiliaryLoss" st_params {
        fields { key: "loss_type" value { string_value: "l2_loss" } } } }"""
    text = A + block("b", 'block_name: "a" input_fn: "lambda x: x * 3"')
    text += block("aux", 'block_name: "a"', 'block_name: "b"', rest=aux)
    backbone, _ = make_backbone(text + 'concat_blocks: "a"')
    losses: dict[str, tf.Tensor] = {}
    backbone(make_inputs(), replace(TRAINING, losses=losses))
    expected = np.mean(np.sum((2 * make_inputs()["all"].numpy()) ** 2, axis=1))
    assert list(losses) == ["aux_l2_loss"]
    np.testing.assert_allclose(losses["aux_l2_loss"], expected, rtol=1e-5)


FAULTS = {
    "layer": (
        block("a", ALL, rest='keras_layer { class_name: "HighWay" }'),
        ['model_config.backbone.blocks[0].keras_layer.class_name "HighWay" is no layer. Did you mean "Highway"?'],
    ),
    "shape": (
        block("l", ALL, rest="input_layer { only_output_feature_list: true }")
        + block("m", 'block_name: "l"', rest=MLP % "2"),
        ['model_config.backbone.blocks[1].keras_layer "m" (MLP) '],
    ),
    "parameters": (
        block("a", ALL, rest='keras_layer { class_name: "MLP" st_params { fields { key: "hidden" value { } } } }'),
        ['keras_layer.st_params "hidden" is no parameter of this layer; there are "hidden_units"'],
    ),
    "parameters of another": (
        block("a", ALL, rest='keras_layer { class_name: "MLP" highway { } }'),
        ["keras_layer.highway holds the parameters of another layer; MLP takes mlp { ... }."],
    ),
    "activation": (
        block("a", ALL, rest='keras_layer { class_name: "MLP" mlp { hidden_units: 2 activation: "rulu" } }'),
        ['keras_layer "a" (MLP) has activation "rulu", which is none of '],
    ),
    "parameters by keys alone": (
        block("a", ALL, rest='keras_layer { class_name: "Dense" mlp { } }'),
        ["keras_layer.mlp holds the parameters of another layer; Dense takes st_params { ... }."],
    ),
    "several, and no more than there are": (
        block("a", ALL, rest='keras_layer { class_name: "MPL" }')
        + block("b", 'block_name: "a"', rest=MLP % "2")
        + block("c", 'feature_group_name: "other" input_slice: "[0]"'),
        [
            'blocks[0].keras_layer.class_name "MPL" is no layer',
            'blocks[2].inputs[0].input_slice reads [batch, 5] and cannot compute "[0]": [0] of a tensor is a row',
        ],
    ),
    "merge": (
        block("c", ALL, rest="input_layer { only_output_3d_tensor: true }") + block("j", OTHER, 'block_name: "c"'),
        ['blocks[1] "j" cannot join [batch, 5], [batch, 3, 4]: they have different numbers of axes.'],
    ),
    "widths": (
        block("c", OTHER, rest="input_layer { only_output_3d_tensor: true }"),
        ['blocks[0] "c" stacks the features (only_output_3d_tensor), which takes vectors of one width, but the group'],
    ),
    "no history": (
        block("c", ALL, rest="input_layer { output_seq_and_normal_feature: true }"),
        ['blocks[0] "c" reads histories (output_seq_and_normal_feature), and the group "all" has no SequenceFeature.'],
    ),
    "tuple": (
        block("c", ALL, rest="input_layer { output_2d_tensor_and_feature_list: true }")
        + block("j", OTHER, 'block_name: "c"'),
        ['blocks[1] "j" is given ([batch, 12], a list of 3 x [batch, 4]), several results of one layer; take one'],
    ),
    "lambda": (
        block("a", ALL, rest='lambda { expression: "lambda x: tf.reshape(x, [-1, 5, 3])[3, 0]" }'),
        ['blocks[0].lambda.expression "a" cannot compute "lambda x: tf.reshape(x, [-1, 5, 3])[3, 0]": [3] of a tensor'],
    ),
    "repeat": (
        block("a", ALL, rest=f'repeat {{ num_repeat: 2 input_slice: "[i]" {MLP % "2"} }}'),
        ['blocks[0].repeat.input_slice "a", copy 0, cannot compute "[i]"'],
    ),
    "fixed": (
        block(
            "a",
            'feature_group_name: "all" input_fn: "lambda x: [x, x]"',
            rest=f"recurrent {{ fixed_input_index: 2 {MLP % '2'} }}",
        ),
        ['blocks[0].recurrent.fixed_input_index "a" keeps element 2 of a list of 2: there are 0 to 1.'],
    ),
    "results": (
        block("c", ALL, rest="input_layer { only_output_3d_tensor: true }"),
        ["model_config.backbone gives [batch, 3, 4]; it needs tensors [batch, width]."],
    ),
    "results of two forms": (
        A + block("c", ALL, rest="input_layer { only_output_3d_tensor: true }"),
        ["model_config.backbone joins a, c: it cannot join [batch, 12], [batch, 3, 4]: they have different"],
    ),
    "lists of lists of lists": (
        block("l0", ALL, ALL, rest="merge_inputs_into_list: true")
        + "".join(
            block(f"l{number + 1}", *[f'block_name: "l{number}"'] * 2, rest="merge_inputs_into_list: true")
            for number in range(20)
        ),
        ['blocks[12] "l12" makes a list of more than 10,000 values'],
    ),
    "top_mlp": (A + "top_mlp { }", ["model_config.backbone.top_mlp needs hidden_units"]),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_does_not_fit_is_told_with_its_place(case):
    text, says = FAULTS[case]
    with pytest.raises(GraphError) as caught:
        make_backbone(text)
    found = str(caught.value).split("\n")
    assert len(found) == len(says), found
    for wanted in says:
        assert any(wanted in line for line in found), found
    assert all(line[-1] in ".?" and not line.endswith("?.") for line in found), found
