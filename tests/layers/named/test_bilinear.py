"""BiLinear: which pair has which matrix, and in which order the products stand."""

from itertools import combinations

import numpy as np
import pytest

from easymtl.layers.shapes import Array, vector
from tests.formulas import dense
from tests.layers.named.building import make, refusal, values, vectors


@pytest.mark.parametrize("is_summed", [True, False])
@pytest.mark.parametrize("kind", ["all", "each", "interaction"])
def test_products_of_all_pairs(kind, is_summed):
    inputs = vectors(4, 2, 3) if kind == "interaction" else vectors(4, 4, 4)
    made = make("BiLinear", f"type: '{kind}' use_plus: {str(is_summed).lower()} num_output_units: 5", inputs)
    layers = {
        "all": dict.fromkeys(combinations(range(3), 2), "all"),
        "each": {(i, j): f"each_{i}" for i, j in combinations(range(3), 2)},
        "interaction": {(i, j): f"interaction_{i}_{j}" for i, j in combinations(range(3), 2)},
    }[kind]
    assert {name.split("/")[0] for name in made.weights} == {*layers.values(), "output"}
    x = values(inputs)
    products = [dense(made.weights, layers[i, j], x[i]) * x[j] for i, j in combinations(range(3), 2)]
    if is_summed:
        products = [product.sum(1, keepdims=True) for product in products]
    expected = dense(made.weights, "output", np.concatenate(products, axis=1))
    np.testing.assert_allclose(made(x), expected, rtol=1e-5, atol=1e-5)


def test_fields_may_come_in_one_tensor():
    text = "type: 'each' num_output_units: 5"
    x = values(Array((None, 3, 4)))
    listed = make("BiLinear", text, vectors(4, 4, 4))(list(np.moveaxis(x, 1, 0)))
    np.testing.assert_allclose(make("BiLinear", text, Array((None, 3, 4)))(x), listed, rtol=1e-6)


def test_what_cannot_be_built_is_refused():
    assert refusal("BiLinear", "", vectors(4, 4)).startswith("needs num_output_units")
    text = 'has type "eech", which is none of "all", "each", "interaction". Did you mean "each"?'
    assert refusal("BiLinear", "type: 'eech'", vectors(4, 4)) == text
    wrong = "takes fields of one width, but is given widths 4, 3"
    assert refusal("BiLinear", "type: 'all' num_output_units: 4", vectors(4, 3)) == wrong
    assert "a list of 2 or more" in refusal("BiLinear", "num_output_units: 4", vector(4))
