"""Keras' own layers that give rows another shape."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.shapes import Array, History, vector
from easymtl.layers.steps import Segments
from tests.layers.named.building import make, refusal, values

FIELDS = Array((None, 3, 4))


def test_flatten_and_reshape_keep_the_order_of_values():
    x = values(FIELDS)
    np.testing.assert_allclose(make("Flatten", "", FIELDS)(x), x.reshape([-1, 12]), rtol=1e-6)
    made = make("Reshape", "target_shape: [2, -1, 3]", FIELDS)
    assert made.shape == Array((None, 2, 2, 3))
    np.testing.assert_allclose(made(x), x.reshape([-1, 2, 2, 3]), rtol=1e-6)


def test_pooling_over_fields():
    x = values(FIELDS)
    np.testing.assert_allclose(make("GlobalAveragePooling1D", "", FIELDS)(x), x.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(make("GlobalMaxPooling1D", "", FIELDS)(x), x.max(1), rtol=1e-6)


def test_pooling_over_the_steps_that_a_row_has():
    flat = np.array([[-1.0, -2.0], [-3.0, 4.0], [5.0, -6.0]])
    steps = Segments(tf.constant(flat, tf.float32), tf.constant([0, 0, 2]), tf.constant([2, 0, 1]))
    average = make("GlobalAveragePooling1D", "", History(2))(steps)
    np.testing.assert_allclose(average, [[-2.0, 1.0], [0.0, 0.0], [5.0, -6.0]], rtol=1e-6)
    largest = make("GlobalMaxPooling1D", "", History(2))(steps)
    np.testing.assert_allclose(largest, [[-1.0, 4.0], [0.0, 0.0], [5.0, -6.0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "text", "inputs", "message"),
    [
        ("Reshape", "", FIELDS, "needs target_shape, sizes above 0 of which one may be -1, but is given []"),
        (
            "Reshape",
            "target_shape: [-1, -1]",
            FIELDS,
            "needs target_shape, sizes above 0 of which one may be -1, but is given [-1, -1]",
        ),
        (
            "Reshape",
            "target_shape: [5, -1]",
            FIELDS,
            "cannot give 12 values of a row ([batch, 3, 4]) the target_shape [5, -1]",
        ),
        (
            "Reshape",
            "target_shape: [2, 5]",
            FIELDS,
            "cannot give 12 values of a row ([batch, 3, 4]) the target_shape [2, 5]",
        ),
        (
            "Flatten",
            "",
            History(4),
            "takes a tensor whose sizes are fixed but for the batch, but is given [batch, steps, 4]",
        ),
        ("GlobalMaxPooling1D", "", vector(4), "takes [batch, fields, width] or a history, but is given [batch, 4]"),
    ],
)
def test_what_does_not_fit_is_refused(name, text, inputs, message):
    assert refusal(name, text, inputs) == message
