"""Values of a block graph joined: shapes as declared, steps as steps, lists as lists."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.merging import merged, merged_shape, padded
from easymtl.layers.shapes import Array, History, ShapeFault, vector
from easymtl.layers.steps import Rectangle, Segments, Steps

LENGTHS = np.array([2, 0, 3], np.int32)


def tensor(*shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(shape).normal(size=shape).astype(np.float32))


def steps(width: int) -> Rectangle:
    values = np.where(np.arange(3)[None, :, None] < LENGTHS[:, None, None], tensor(3, 3, width), np.nan)
    return Rectangle(tf.constant(values, tf.float32), tf.constant(LENGTHS))


CUBE = Array((None, 2, 4))


@pytest.mark.parametrize(
    ("shapes", "axis", "expected"),
    [
        ([vector(4)], -1, vector(4)),
        ([[vector(4)]], -1, [vector(4)]),
        ([vector(4), vector(3)], -1, vector(7)),
        ([vector(4), vector(3)], 1, vector(7)),
        ([CUBE, Array((None, 5, 4))], 1, Array((None, 7, 4))),
        ([CUBE, Array((None, None, 3))], 2, Array((None, 2, 7))),
        ([CUBE, Array((None, None, 4))], 1, Array((None, None, 4))),
        ([History(4), History(3)], -1, History(7)),
        ([History(4), History(3)], 2, History(7)),
        ([History(4), History(4)], 1, Array((None, None, 4))),
        ([History(4), CUBE], -1, Array((None, 2, 8))),
        ([[vector(4)], [vector(3), CUBE]], -1, [vector(4), vector(3), CUBE]),
        ([vector(4), [vector(3)]], -1, [vector(4), vector(3)]),
        ([(vector(4), None)], -1, (vector(4), None)),
    ],
)
def test_the_shape_of_what_is_joined(shapes, axis, expected):
    assert merged_shape(shapes, axis) == expected


@pytest.mark.parametrize(
    ("shapes", "axis", "says"),
    [
        ([vector(4), CUBE], -1, "cannot join [batch, 4], [batch, 2, 4]: they have different numbers of axes"),
        ([CUBE, Array((None, 3, 4))], -1, "cannot join [batch, 2, 4], [batch, 3, 4] along axis -1: axis 1 differs"),
        ([vector(4), vector(3)], 2, "along axis 2: there are axes 0 to 1"),
        ([vector(4), vector(4)], 0, "along axis 0: that are the rows of the batch"),
        ([vector(4), vector(4)], -2, "along axis -2: that are the rows of the batch"),
        ([vector(4), (vector(3), vector(2))], -1, 'take one of them: input_slice: "[0]"'),
        ([vector(4), None], -1, "is given nothing by one of its inputs"),
        ([vector(4), Array((None, 3), tf.int64)], -1, "their types differ (float32, int64)"),
    ],
)
def test_what_cannot_be_joined_is_told(shapes, axis, says):
    with pytest.raises(ShapeFault) as caught:
        merged_shape(shapes, axis)
    assert says in str(caught.value)


def test_tensors_are_joined_along_an_axis():
    parts = [tensor(3, 2), tensor(3, 4)]
    np.testing.assert_array_equal(merged(parts, -1, tf.float32), np.concatenate(parts, axis=1))


def test_lists_take_up_the_other_values_in_order():
    parts = [tensor(3, 2), tensor(3, 4), tensor(3, 1)]
    assert merged([parts[:2], parts[2]], -1, tf.float32) == parts
    assert merged([parts[:2]], -1, tf.float32) == parts[:2]


def test_steps_are_joined_as_steps_and_padding_stays_out():
    parts = [steps(2), steps(3)]
    for given in (parts, [part.segments() for part in parts]):
        joined = merged(given, -1, tf.float32)
        assert isinstance(joined, Steps) and joined.width == 5
        expected = np.concatenate([part.rectangle().values for part in parts], axis=2)
        np.testing.assert_array_equal(joined.rectangle().values, expected)


@pytest.mark.parametrize("is_traced", [False, True])
def test_histories_of_other_lengths_are_not_joined(is_traced):
    first, second = steps(2).segments(), steps(3).segments()
    second.lengths = tf.constant(LENGTHS[::-1].copy())

    def join(lengths: tf.Tensor) -> tf.Tensor:
        return merged([first, Segments(second.flat, second.rows, lengths)], -1, tf.float32).flat

    function = tf.function(join, autograph=False) if is_traced else join
    with pytest.raises(tf.errors.InvalidArgumentError, match="different numbers of steps in a row"):
        function(second.lengths)


def test_steps_are_padded_where_they_meet_a_tensor():
    joined = merged([steps(2), tensor(3, 3, 4)], -1, tf.float32)
    np.testing.assert_array_equal(joined[..., :2], steps(2).rectangle().values)
    assert not np.isnan(padded([steps(2), (steps(2),)])[1][0]).any()


def test_values_of_two_precisions_meet_in_the_one_of_the_call():
    joined = merged([tensor(3, 2), tf.cast(tensor(3, 2), tf.bfloat16)], -1, tf.bfloat16)
    assert joined.dtype == tf.bfloat16
    assert merged([tensor(3, 2), tensor(3, 2)], -1, tf.bfloat16).dtype == tf.float32
