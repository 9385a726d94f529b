"""SENet against its formula."""

import numpy as np
import pytest

from easymtl.layers.shapes import vector
from tests.formulas import dense, layer_norm, relu
from tests.layers.named.building import make, refusal, values, vectors

INPUTS = vectors(4, 6, 2)


@pytest.mark.parametrize("has_skip", [True, False])
@pytest.mark.parametrize("has_norm", [True, False])
def test_components_are_weighted_by_what_was_squeezed(has_skip, has_norm):
    flags = f"use_skip_connection: {str(has_skip).lower()} use_output_layer_norm: {str(has_norm).lower()}"
    made = make("SENet", f"reduction_ratio: 3 {flags}", INPUTS)
    assert {name: value.shape for name, value in made.weights.items() if "_ln" not in name} == {
        "W1/kernel": (12, 4),
        "W1/bias": (4,),
        "W2/kernel": (4, 12),
        "W2/bias": (12,),
    }
    assert ("output_ln/gamma" in made.weights) == has_norm
    x = values(INPUTS)
    squeezed = []
    for field in x:
        groups = field.reshape([len(field), 2, -1])
        squeezed += [groups.max(2), groups.mean(2)]
    joined = np.concatenate(x, axis=1)
    expected = joined * dense(made.weights, "W2", relu(dense(made.weights, "W1", np.concatenate(squeezed, axis=1))))
    expected = expected + joined if has_skip else expected
    expected = layer_norm(made.weights, "output_ln", expected) if has_norm else expected
    np.testing.assert_allclose(made(x), expected, rtol=1e-4, atol=1e-5)


def test_the_middle_layer_has_a_width_of_at_least_one():
    assert make("SENet", "reduction_ratio: 99", INPUTS).weights["W1/kernel"].shape == (12, 1)


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        ("", vectors(4, 5), "splits each field into num_squeeze_group 2 equal groups, but is given a field of width 5"),
        ("num_squeeze_group: 0", INPUTS, "has num_squeeze_group 0; it must be 1 or more"),
        ("reduction_ratio: 0", INPUTS, "has reduction_ratio 0; it divides a width, so it must be 1 or more"),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("SENet", text, inputs) == message


def test_one_vector_is_no_list_of_fields():
    assert refusal("SENet", "", vector(4)).endswith("but is given [batch, 4]")
