"""What `normalizer_fn` may say: the name of a function, or a lambda of the grammar of expressions, never code."""

from collections.abc import Callable

import tensorflow as tf

from easymtl.config.expressions import COMPARISONS, evaluate, parse_lambda
from easymtl.config.names import is_lambda, normalizer_name
from easymtl.features.arithmetic import FUNCTIONS, OPERATIONS


def normalizer(text: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function of a name such as `log1p` or `tf.math.log1p`, or of `lambda x: tf.math.log1p(x) / 10`."""
    if not is_lambda(text):
        return FUNCTIONS[normalizer_name(text)]
    function = parse_lambda(text, vocabulary=COMPARISONS)
    (parameter,) = function.parameters

    def normalize(numbers: tf.Tensor) -> tf.Tensor:
        result = evaluate(function.body, {parameter: tf.cast(numbers, tf.float64)}, OPERATIONS)
        return tf.cast(result, numbers.dtype)

    return normalize
