"""Mask blocks and MaskNet against their formulas."""

import numpy as np
import pytest

from easymtl.layers.shapes import vector
from tests.formulas import layer_norm, mask_block, relu
from tests.layers.named.building import make, refusal, values, vectors


@pytest.mark.parametrize(
    "text",
    [
        "aggregation_size: 5",
        "reduction_factor: 1.5 output_size: 3",
        "aggregation_size: 5 output_size: 3 projection_dim: 2 input_layer_norm: true",
    ],
)
def test_a_block_masks_its_input(text):
    made = make("MaskBlock", text, vectors(4, 6))
    x, mask = values(vectors(4, 6))
    np.testing.assert_allclose(made([x, mask]), mask_block(made.weights, "", x, mask), rtol=1e-4, atol=1e-5)
    if "output_size" not in text:
        alone = make("MaskBlock", text, vector(4))
        np.testing.assert_allclose(alone(x), mask_block(alone.weights, "", x, x), rtol=1e-4, atol=1e-5)


def test_weights_have_the_names_and_shapes_of_checkpoints():
    made = make("MaskBlock", "aggregation_size: 9 output_size: 5 projection_dim: 3", vectors(16, 16))
    assert {name: value.shape for name, value in made.weights.items()} == {
        "project/kernel": (16, 3),
        "aggregation/kernel": (3, 9),
        "aggregation/bias": (9,),
        "weights/kernel": (9, 16),
        "weights/bias": (16,),
        "output/kernel": (16, 5),
        "output_ln/gamma": (5,),
        "output_ln/beta": (5,),
    }
    assert [tuple(variable.shape) for variable in made.build.regularized] == [(16, 3), (3, 9)]


def test_the_factor_counts_from_the_mask_before_it_is_projected():
    made = make("MaskBlock", "reduction_factor: 0.5 projection_dim: 3", vectors(4, 16))
    assert made.weights["aggregation/kernel"].shape == (3, 8)


@pytest.mark.parametrize("has_norm", [True, False])
def test_parallel_blocks_read_the_input(has_norm):
    text = f"input_layer_norm: {str(has_norm).lower()} mask_blocks {{ aggregation_size: 5 output_size: 3 }}"
    made = make("MaskNet", f"{text} mask_blocks {{ aggregation_size: 4 }}", vector(4))
    x = values(vector(4))
    start = layer_norm(made.weights, "input_ln", x) if has_norm else x
    expected = np.concatenate([mask_block(made.weights, f"block_{i}/", start, start) for i in range(2)], axis=1)
    np.testing.assert_allclose(made(x), expected, rtol=1e-4, atol=1e-5)


def test_serial_blocks_are_masked_by_the_first_input():
    text = (
        "use_parallel: false mask_blocks { aggregation_size: 5 output_size: 3 input_layer_norm: true } "
        "mask_blocks { reduction_factor: 0.75 output_size: 2 } mlp { hidden_units: 6 use_final_bn: false }"
    )
    made = make("MaskNet", text, vector(4))
    assert made.weights["block_1/aggregation/kernel"].shape == (4, 3)
    x = values(vector(4))
    start = result = layer_norm(made.weights, "input_ln", x)
    for index in range(2):
        result = mask_block(made.weights, f"block_{index}/", result, start)
    expected = relu(result @ made.weights["mlp/layer_0/dense/kernel"])
    np.testing.assert_allclose(made(x), expected, rtol=1e-4, atol=1e-5)


SIZES = "aggregation_size and reduction_factor; give one of them: the width of its mask network"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MaskBlock", "output_size: 4", f"has none of {SIZES}"),
        ("MaskBlock", "aggregation_size: 4 reduction_factor: 2", f"has both {SIZES}"),
        ("MaskBlock", "reduction_factor: 0.1", "has reduction_factor 0.1, which leaves its mask network no width"),
        ("MaskBlock", "aggregation_size: 0", "has aggregation_size 0, which leaves its mask network no width"),
        ("MaskNet", "", "needs mask_blocks { aggregation_size: ... output_size: ... }, one or more"),
        ("MaskNet", "mask_blocks { aggregation_size: 4 } mask_blocks { }", f"mask_blocks[1] has none of {SIZES}"),
    ],
)
def test_what_cannot_be_built_is_refused(name, text, message):
    assert refusal(name, text, vector(4)) == message


def test_a_net_takes_one_tensor():
    assert "takes one tensor" in refusal("MaskNet", "mask_blocks { aggregation_size: 4 }", vectors(4, 4))
