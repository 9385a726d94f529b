"""Marks of rows: those of each table by itself, forgotten and set again."""

import numpy as np
import tensorflow as tf

from easymtl.layers.context import Parameter
from easymtl.training.touched_rows import TouchedRows


def test_marks_are_of_the_rows_of_each_table():
    variable, other = tf.Variable(tf.zeros([10, 3])), tf.Variable(tf.zeros([4, 2]))
    first, second = Parameter("first", variable, 0, 6, (6, 3)), Parameter("second", variable, 6, 4, (4, 3))
    touched = TouchedRows([variable])
    mark = tf.function(lambda numbers: touched.mark(variable, numbers), autograph=False)
    mark(tf.constant([7, 0, 5]))
    mark(tf.constant([5, 9]))
    touched.mark(other, tf.constant([1]))
    assert touched.rows_of(first).tolist() == [0, 5]
    assert touched.rows_of(second).tolist() == [1, 3]
    assert touched.rows_of(second).dtype == np.int64
    touched.begin([(second, np.array([0, 2]))])
    assert touched.rows_of(first).tolist() == []
    assert touched.rows_of(second).tolist() == [0, 2]
