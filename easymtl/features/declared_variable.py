"""Variables whose numbers are elsewhere."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.ops.resource_variable_ops import UninitializedVariable


def declared_variable(shape: Sequence[int], dtype: tf.DType = tf.float32) -> tf.Variable:
    """Returns a variable that graphs take for one of a shape `[rows, ...]`, and that holds no row."""
    variable = UninitializedVariable(trainable=False, shape=list(shape), dtype=dtype, name="Variable")
    empty(variable)
    return variable


def empty(variable: tf.Variable) -> None:
    """Takes the rows of a variable from it, and frees their memory; graphs take it for what it was."""
    nothing = tf.zeros([0, *variable.shape[1:]], variable.dtype)
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=nothing, validate_shape=False)
