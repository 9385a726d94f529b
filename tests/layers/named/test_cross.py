"""The cross layer against its formula."""

import numpy as np
import pytest

from easymtl.layers.context import Build
from easymtl.layers.named import LAYERS
from easymtl.layers.shapes import vector
from easymtl.protos.keras_pb2 import Cross
from tests.formulas import dense
from tests.layers.named.building import make, refusal, values, vectors


def test_the_first_input_multiplies_the_layer_of_the_second():
    made = make("Cross", "", vectors(4, 4))
    first, last = values(vectors(4, 4))
    assert set(made.weights) == {"dense/kernel", "dense/bias"}
    np.testing.assert_allclose(
        made([first, last]), first * dense(made.weights, "dense", last) + last, rtol=1e-5, atol=1e-6
    )


def test_one_tensor_is_both():
    made = make("Cross", "", vector(4))
    x = values(vector(4))
    np.testing.assert_allclose(made(x), x * dense(made.weights, "dense", x) + x, rtol=1e-5, atol=1e-6)


def test_low_rank_with_diagonal_and_activation():
    made = make("Cross", "projection_dim: 2 diag_scale: 0.5 preactivation: 'tanh' use_bias: false", vectors(4, 4))
    first, last = values(vectors(4, 4))
    assert {name: value.shape for name, value in made.weights.items()} == {
        "dense/kernel": (4, 2),
        "dense_1/kernel": (2, 4),
    }
    inner = np.tanh(dense(made.weights, "dense_1", dense(made.weights, "dense", last))) + 0.5 * last
    np.testing.assert_allclose(made([first, last]), first * inner + last, rtol=1e-5, atol=1e-6)


def test_copies_of_a_recurrent_block_are_numbered_over_the_model():
    build = Build()
    for index in range(2):
        LAYERS["Cross"].layer(build, f"backbone/cross_{index}", Cross(), vectors(16, 16))
    assert list(build.parameters) == [
        "backbone/cross_0/dense/kernel",
        "backbone/cross_0/dense/bias",
        "backbone/cross_1/dense_1/kernel",
        "backbone/cross_1/dense_1/bias",
    ]
    assert build.regularized == []
    assert np.abs(build.parameters["backbone/cross_0/dense/kernel"].read()).max() <= 0.1


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        ("", vectors(4, 5), "multiplies two tensors of one width, but is given widths 4 and 5"),
        ("", vectors(4, 4, 4), "takes a list of two tensors [batch, width], but is given a list of 3 x [batch, 4]"),
        ("projection_dim: 0", vector(4), "has projection_dim 0; leave it out for a square kernel"),
        ("diag_scale: -1", vector(4), "has diag_scale -1, which must not be below 0"),
    ],
)
def test_what_cannot_be_built_is_refused(text, inputs, message):
    assert refusal("Cross", text, inputs) == message


def test_wrong_names_are_refused_with_the_nearest():
    assert 'Did you mean "tanh"?' in refusal("Cross", "preactivation: 'tahn'", vector(4))
    assert 'Did you mean "he_normal"?' in refusal("Cross", "kernel_initializer: 'he_norm'", vector(4))
