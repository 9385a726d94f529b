"""The functions that `normalizer_fn` may name; nothing is ever evaluated."""

from collections.abc import Callable

import tensorflow as tf

from easymtl.config.names import normalizer_name

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


def normalizer(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function of a known name such as `log1p`, `tf.log1p` or `tf.math.log1p`."""
    return FUNCTIONS[normalizer_name(name)]
