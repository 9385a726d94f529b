"""The bias of a layer and its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.layers.bias import add_bias
from easymtl.layers.context import Call


@pytest.mark.parametrize("shape", [(0, 3), (4096, 3), (64, 64, 3)])
@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_its_gradient_is_the_sum_of_all_rows_in_either_precision(dtype, shape):
    x, bias = tf.ones(shape, dtype), tf.Variable([0.5, -1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        result = add_bias(x, bias, Call(training=True, dtype=dtype))
    assert result.dtype == dtype
    np.testing.assert_array_equal(tf.cast(result, tf.float32), np.broadcast_to([1.5, 0.0, 3.0], shape))
    of_x, of_bias = tape.gradient(result, [x, bias])
    np.testing.assert_array_equal(tf.cast(of_x, tf.float32), np.ones(shape))
    np.testing.assert_array_equal(of_bias, [np.prod(shape[:-1])] * 3)
