"""Keras' own layers that make one tensor of several."""

import numpy as np
import pytest

from easymtl.layers.shapes import Array, History, vector
from tests.layers.named.building import make, refusal, values, vectors

FIELDS = Array((None, 3, 4))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("Add", lambda x: x[0] + x[1] + x[2]),
        ("Multiply", lambda x: x[0] * x[1] * x[2]),
        ("Average", lambda x: (x[0] + x[1] + x[2]) / 3),
        ("Maximum", lambda x: np.max(x, axis=0)),
        ("Minimum", lambda x: np.min(x, axis=0)),
    ],
)
def test_tensors_become_one(name, formula):
    x = values([FIELDS] * 3)
    np.testing.assert_allclose(make(name, "", [FIELDS] * 3)(x), formula(x), rtol=1e-5, atol=1e-6)


def test_subtract_takes_two():
    x = values(vectors(4, 4))
    np.testing.assert_allclose(make("Subtract", "", vectors(4, 4))(x), x[0] - x[1], rtol=1e-5, atol=1e-6)
    expected = "takes a list of two tensors, but is given a list of 3 x [batch, 4]"
    assert refusal("Subtract", "", vectors(4, 4, 4)) == expected


def test_an_axis_of_size_1_goes_with_any_size():
    made = make("Multiply", "", [Array((None, 3, 1)), FIELDS])
    x = values([Array((None, 3, 1)), FIELDS])
    assert made.shape == FIELDS
    np.testing.assert_allclose(made(x), x[0] * x[1], rtol=1e-5, atol=1e-6)


def test_concatenate_joins_along_its_axis():
    for text, inputs, axis in (
        ("", vectors(4, 3), 1),
        ("axis: 1", [FIELDS, Array((None, 2, 4))], 1),
        ("axis: -1", [FIELDS, FIELDS], 2),
    ):
        x = values(inputs)
        np.testing.assert_array_equal(make("Concatenate", text, inputs)(x), np.concatenate(x, axis).astype(np.float32))
    unknown = [Array((None, None, 4)), FIELDS]
    assert make("Concatenate", "axis: 1", unknown).shape == Array((None, None, 4))


def test_dot_products_and_cosines():
    a, b = values(vectors(4, 4))
    expected = (a * b).sum(1, keepdims=True)
    np.testing.assert_allclose(make("Dot", "axes: 1", vectors(4, 4))([a, b]), expected, rtol=1e-5, atol=1e-6)
    cosine = expected / np.linalg.norm(a, axis=1, keepdims=True) / np.linalg.norm(b, axis=1, keepdims=True)
    made = make("Dot", "axes: -1 normalize: true", vectors(4, 4))
    np.testing.assert_allclose(made([a, b]), cosine, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "inputs", "message"),
    [
        ("Add", "", vectors(4, 5), "takes tensors of one shape, but is given a list ([batch, 4], [batch, 5])"),
        ("Add", "", [vector(4), FIELDS], "takes tensors of one shape, but is given a list ([batch, 4], [batch, 3, 4])"),
        ("Add", "", vectors(4), "takes a list of 2 or more values, but is given a list ([batch, 4])"),
        ("Add", "", vector(4), "takes a list of 2 or more values, but is given [batch, 4]"),
        (
            "Add",
            "",
            [History(4), History(4)],
            "takes a list of tensors of numbers, but is given a list of 2 x [batch, steps, 4]",
        ),
        ("Concatenate", "axis: 0", vectors(4, 4), "has axis 0; with 2 axes it is 1 to 1, or -1 for the last one"),
        (
            "Concatenate",
            "",
            [FIELDS, Array((None, 2, 4))],
            "joins tensors that differ along axis 2 alone, but is given a list ([batch, 3, 4], [batch, 2, 4])",
        ),
        ("Dot", "", vectors(4, 4), "needs axes: 1 (or -1), the last axis; no other one is offered"),
        ("Dot", "axes: 1", vectors(4, 5), "multiplies two tensors of one width, but is given widths 4 and 5"),
    ],
)
def test_what_does_not_fit_is_refused(name, text, inputs, message):
    assert refusal(name, text, inputs) == message
