"""Parameters: named parts of variables of any rank."""

import numpy as np
import pytest
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.layers.context import Build


def test_a_variable_of_rank_three_is_one_parameter():
    build, value = Build(), tf.reshape(tf.range(24.0), [2, 3, 4])
    build.variable(["mask"], value)
    assert build.parameters["mask"].shape == (2, 3, 4)
    np.testing.assert_array_equal(build.parameters["mask"].read(), value)


def test_a_stack_is_shared_out():
    build, value = Build(), tf.reshape(tf.range(24.0), [2, 3, 4])
    variable = build.variable(["first", "second"], value, is_stacked=True)
    assert build.parameters["second"].shape == (3, 4)
    build.parameters["second"].assign(tf.zeros([3, 4]))
    np.testing.assert_array_equal(variable[1], np.zeros([3, 4]))
    np.testing.assert_array_equal(variable[0], value[0])


def test_a_scalar_keeps_its_shape():
    build = Build()
    build.variable(["scale"], tf.constant(2.0))
    parameter = build.parameters["scale"]
    assert parameter.shape == ()
    parameter.assign(tf.constant(3.0))
    assert parameter.read() == 3.0


def test_a_weight_of_more_numbers_than_fit_anywhere_is_refused_before_it_is_made():
    build = Build()
    with pytest.raises(UserError, match=r'weight "deep/kernel" \[5, 4294967295\] would have 21,474,836,475 numbers'):
        build.kernel("deep/kernel", 5, 4294967295)
    with pytest.raises(UserError, match=r'weight "one" \[2, 65536, 65536\]'):
        build.stacked_kernel(["one", "other"], 65536, 65536)
    assert not build.parameters
