"""Whether steps and scores are traced, as a training does, or run op by op, which costs a test a third of the time."""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def op_by_op(is_op_by_op: bool = True) -> Iterator[None]:
    """Runs the functions of TensorFlow that are made and called within op by op."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(is_op_by_op)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def traced():
    """Traces what is made within, in a file that runs the rest op by op."""
    return op_by_op(False)
