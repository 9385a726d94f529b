"""Rows in few bytes, against the same in NumPy's float64."""

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from easymtl.features.narrow_rows import narrowed, rounding, widened
from easymtl.protos.export_pb2 import BFLOAT16, FLOAT16, FLOAT32, INT8

LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


def some_rows():
    random = np.random.default_rng(3)
    return (random.normal(size=[200, 7]) * 10.0 ** random.integers(-20, 20, [200, 1])).astype(np.float32)


def test_int8_rows_are_the_nearest_multiples_of_their_own_scale():
    rows = some_rows()
    steps, scales = (part.numpy() for part in narrowed(tf.constant(rows), INT8))
    assert (steps.dtype, scales.dtype, scales.shape) == (np.int8, np.float32, (200, 1))
    exact = np.abs(rows.astype(np.float64)).max(axis=1, keepdims=True) / 127
    np.testing.assert_allclose(scales, exact, rtol=3e-7)
    quotients = rows.astype(np.float64) / scales
    # Halves apart, which no such quotient is, there is one nearest number.
    np.testing.assert_array_equal(steps, np.rint(quotients))
    assert (np.abs(steps).max(axis=1) == 127).all()
    kept = widened((tf.constant(steps), tf.constant(scales))).numpy()
    np.testing.assert_array_equal(kept, steps.astype(np.float32) * scales)
    assert (np.abs(kept - rows.astype(np.float64)) <= 0.5001 * scales).all()


def test_halves_go_to_the_even_step():
    # The scale is 2 to the bit: quotients are 0.5, 1.5, 2.5 and their opposites.
    rows = tf.constant([[254.0, 1.0, 3.0, 5.0, -1.0, -3.0, -5.0]])
    steps, scales = narrowed(rows, INT8)
    assert scales.numpy().item() == 2.0
    assert steps.numpy().tolist() == [[127, 0, 2, 2, 0, -2, -2]]


def test_a_row_of_zeros_stays_one_among_others():
    rows = np.array([[0.0, 0.0], [1.0, -2.0], [-0.0, 0.0]], np.float32)
    for precision in (FLOAT32, FLOAT16, BFLOAT16, INT8):
        kept = rounding(precision)(tf.constant(rows)).numpy()
        assert (kept[[0, 2]] == 0).all() and np.isfinite(kept).all() and kept[1, 1] == -2.0


@pytest.mark.parametrize("largest", [LARGEST, 0.99 * LARGEST, 1e38])
def test_the_largest_numbers_stay_numbers(largest):
    kept = rounding(INT8)(tf.constant([[largest, -largest, largest / 2]], tf.float32)).numpy()
    np.testing.assert_allclose(kept, [[largest, -largest, largest / 2]], rtol=0, atol=largest / 253)


@pytest.mark.parametrize(("size", "is_kept"), [(1e-44, False), (100 * SMALLEST, False), (200 * SMALLEST, True)])
def test_rows_of_which_the_scale_is_no_normal_number_are_zero(size, is_kept):
    kept = rounding(INT8)(tf.constant([[size, -size / 2], [1.0, size]], tf.float32)).numpy()
    np.testing.assert_allclose(kept[0], [size, -size / 2] if is_kept else [0.0, 0.0], rtol=1e-2)
    np.testing.assert_array_equal(kept[1], [1.0, 0.0])


@pytest.mark.parametrize(("precision", "kind"), [(FLOAT16, np.float16), (BFLOAT16, ml_dtypes.bfloat16)])
def test_two_bytes_are_the_nearest_number_of_the_type(precision, kind):
    rows = np.clip(some_rows(), -6e4, 6e4)
    (part,) = narrowed(tf.constant(rows), precision)
    np.testing.assert_array_equal(part.numpy(), rows.astype(kind))
    np.testing.assert_array_equal(widened((part,)).numpy(), rows.astype(kind).astype(np.float32))


def test_float32_is_left_as_it_is():
    np.testing.assert_array_equal(rounding(FLOAT32)(tf.constant(some_rows())), some_rows())


def test_a_graph_rounds_to_the_same_bits():
    rows = tf.constant(some_rows())
    traced = tf.function(rounding(INT8), input_signature=[tf.TensorSpec([None, 7])], autograph=False)
    np.testing.assert_array_equal(traced(rows), rounding(INT8)(rows))
