"""What computes numbers of features: functions by their name, and the operations of expressions."""

from collections.abc import Callable

import tensorflow as tf

from easymtl.config.expressions.evaluation import Operations

FUNCTIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "abs": tf.abs,
    "atan": tf.atan,
    "ceil": tf.math.ceil,
    "cos": tf.cos,
    "exp": tf.exp,
    "expm1": tf.math.expm1,
    "floor": tf.floor,
    "identity": tf.identity,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "log_sigmoid": tf.math.log_sigmoid,
    "negative": tf.negative,
    "reciprocal": tf.math.reciprocal,
    "round": tf.round,
    "rsqrt": tf.math.rsqrt,
    "sigmoid": tf.sigmoid,
    "sign": tf.sign,
    "sin": tf.sin,
    "softplus": tf.math.softplus,
    "softsign": tf.math.softsign,
    "sqrt": tf.sqrt,
    "square": tf.square,
    "tanh": tf.tanh,
}


def _as_number(flags: tf.Tensor) -> tf.Tensor:
    return tf.cast(flags, tf.float64)


def _is_true(number: tf.Tensor) -> tf.Tensor:
    return tf.not_equal(tf.convert_to_tensor(number, tf.float64), 0.0)


def _numbers(operation):
    """Returns an operation of tensors as one that takes constants, too."""

    def of_tensors(*operands, **named):
        named = {name: tf.convert_to_tensor(operand, tf.float64) for name, operand in named.items()}
        return operation(*(tf.convert_to_tensor(operand, tf.float64) for operand in operands), **named)

    return of_tensors


OPERATIONS: Operations = {
    "+": _numbers(tf.add),
    "-": _numbers(tf.subtract),
    "*": _numbers(tf.multiply),
    "/": _numbers(tf.divide),
    "-x": _numbers(tf.negative),
    "==": _numbers(lambda x, y: _as_number(tf.equal(x, y))),
    "!=": _numbers(lambda x, y: _as_number(tf.not_equal(x, y))),
    ">": _numbers(lambda x, y: _as_number(tf.greater(x, y))),
    ">=": _numbers(lambda x, y: _as_number(tf.greater_equal(x, y))),
    "<": _numbers(lambda x, y: _as_number(tf.less(x, y))),
    "<=": _numbers(lambda x, y: _as_number(tf.less_equal(x, y))),
    "&": lambda x, y: _as_number(_is_true(x) & _is_true(y)),
    "|": lambda x, y: _as_number(_is_true(x) | _is_true(y)),
    "tf.clip_by_value": _numbers(tf.clip_by_value),
    "tf.maximum": _numbers(tf.maximum),
    "tf.minimum": _numbers(tf.minimum),
    "tf.pow": _numbers(tf.pow),
    **{f"tf.{name}": _numbers(function) for name, function in FUNCTIONS.items()},
}
"""What expressions over numbers may say, in float64."""
