"""Shapes taken apart: what counts as vectors, and what as fields."""

import pytest
import tensorflow as tf

from easymtl.layers.context import Call
from easymtl.layers.shapes import Array, History, ShapeFault, vector
from easymtl.layers.steps import Rectangle, Segments
from easymtl.layers.vectors import (
    equal_field_widths,
    field_list,
    field_matrix,
    field_widths,
    on_vectors,
    require_pair,
    vector_width,
    with_width,
)

FIELDS = Array((None, 3, 4))
TEXTS = Array((None, 4), tf.string)


def test_vectors_are_the_last_axis_or_steps():
    assert [vector_width(shape) for shape in (vector(5), FIELDS, Array((None, None, 7)), History(6))] == [5, 4, 7, 6]
    assert with_width(FIELDS, 9) == Array((None, 3, 9))
    assert with_width(History(6), 9) == History(9)


@pytest.mark.parametrize("shape", [None, Array((None,)), Array((None, None)), [vector(4)], TEXTS])
def test_other_shapes_have_no_vectors(shape):
    with pytest.raises(ShapeFault):
        vector_width(shape)


def test_fields_come_as_a_list_or_in_one_tensor():
    assert field_widths([vector(4), vector(2)]) == field_widths((vector(4), vector(2))) == [4, 2]
    assert field_widths(FIELDS) == [4, 4, 4]
    assert equal_field_widths(FIELDS) == (3, 4)
    x = tf.reshape(tf.range(24.0), [2, 3, 4])
    listed = field_list(x, tf.bfloat16)
    assert [(field.dtype, tuple(field.shape)) for field in listed] == [(tf.bfloat16, (2, 4))] * 3
    assert tf.reduce_all(field_matrix(listed, tf.float32) == x)


@pytest.mark.parametrize(
    ("shape", "least", "found"),
    [
        (vector(4), 1, r"\[batch, 4\]"),
        ([], 1, r"a list \(\)"),
        (Array((None, 3, 4), tf.string), 1, r"\[batch, 3, 4\] of texts"),
        ([vector(4)], 2, r"a list \(\[batch, 4\]\)"),
        (Array((None, None, 4)), 1, r"\[batch, \?, 4\]"),
        ([vector(4), History(4)], 1, r"a list \(\[batch, 4\], \[batch, steps, 4\]\)"),
        ([TEXTS], 1, r"a list \(\[batch, 4\] of texts\)"),
        (None, 1, "nothing"),
    ],
)
def test_other_shapes_are_no_fields(shape, least, found):
    with pytest.raises(ShapeFault, match=f"takes a list of {least} or more .*, but is given {found}"):
        field_widths(shape, least)


def test_a_pair_is_two_vectors():
    assert require_pair([vector(4), vector(2)]) == (4, 2)
    for shape in ([vector(4)], [vector(4)] * 3, [vector(4), FIELDS], vector(4), FIELDS):
        with pytest.raises(ShapeFault, match="takes a list of two tensors"):
            require_pair(shape)


def test_only_steps_that_exist_are_handed_on_while_training():
    steps = Segments(tf.ones([3, 2]), tf.constant([0, 0, 2]), tf.constant([2, 0, 1])).rectangle()
    seen = []

    def double(x: tf.Tensor) -> tf.Tensor:
        seen.append(x.shape[0])
        return 2 * x

    call = Call(training=True, seed=tf.zeros([2], tf.int64))
    trained, served = on_vectors(steps, double, call), on_vectors(steps, double, Call())
    assert seen == [3, 6]
    assert isinstance(trained, Segments) and isinstance(served, Rectangle)
    assert tf.reduce_all(trained.rectangle().values == served.rectangle().values)
    assert tf.reduce_all(on_vectors(tf.ones([2, 2]), double, call) == 2)
