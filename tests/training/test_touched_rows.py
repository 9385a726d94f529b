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
    found = touched.places_of({"first": first, "second": second})
    assert {name: places.tolist() for name, places in found.items()} == {"first": [0, 5], "second": [1, 3]}
    assert found["second"].dtype == np.int64
    touched.begin([(second, np.array([0, 2]))])
    assert [places.tolist() for places in touched.places_of({"a": first, "b": second}).values()] == [[], [0, 2]]


def test_of_rows_that_are_dealt_out_a_worker_marks_those_that_it_has():
    variable = tf.Variable(tf.zeros([10, 3]))
    table = Parameter("table", variable, 2, 7, (30, 3), runs=((4, 4), (20, 3)))
    touched = TouchedRows([variable])
    touched.begin([(table, np.array([0, 4, 7, 8, 19, 20, 22, 23]))])
    assert touched.places_of({"table": table})["table"].tolist() == [0, 3, 4, 6]
