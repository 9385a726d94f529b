"""Gate: which element holds the weights, and what they weigh."""

import numpy as np
import pytest

from easymtl.layers.shapes import vector
from tests.formulas import relu
from tests.layers.named.building import make, refusal, values, vectors


@pytest.mark.parametrize("index", [0, 1, 2])
def test_tensors_are_added_up_with_their_weights(index):
    widths = [4, 4]
    widths.insert(index, 2)
    x = values(vectors(*widths))
    weights, first, second = x[index], *(one for place, one in enumerate(x) if place != index)
    expected = weights[:, :1] * first + weights[:, 1:] * second
    made = make("Gate", f"weight_index: {index}", vectors(*widths))
    np.testing.assert_allclose(made(x), expected, rtol=1e-5, atol=1e-6)
    with_mlp = make("Gate", f"weight_index: {index} mlp {{ hidden_units: 3 use_final_bn: false }}", vectors(*widths))
    kernel = with_mlp.weights["top_mlp/layer_0/dense/kernel"]
    np.testing.assert_allclose(with_mlp(x), relu(expected @ kernel), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        ("", vectors(3, 4, 4), "takes a weight for each tensor, but is given 3 weights for 2 tensors"),
        ("weight_index: 3", vectors(2, 4, 4), "has weight_index 3, but its list has 3 values; 0 is the first"),
        ("", vectors(2, 4, 5), "adds up tensors of one width, but is given widths 4, 5"),
        ("", vector(4), "takes a list: weights [batch, n] and n tensors, but is given [batch, 4]"),
        ("mlp { }", vectors(2, 4, 4), "needs mlp.hidden_units, for example hidden_units: [128, 64]"),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("Gate", text, inputs) == message
