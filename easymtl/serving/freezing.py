"""Networks whose weights are constants: TensorFlow folds what follows from them when it loads the model."""

from collections.abc import Callable, Mapping

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

Tensors = Mapping[str, tf.Tensor]


def freeze(network: Callable[[Tensors], dict[str, tf.Tensor]], specs: Mapping[str, tf.TensorSpec]) -> Callable:
    """Returns a function of the same values that reads no variable: it has the values that they have now.

    Args:
        network: maps tensors by name to outputs by name.
        specs: the names that it takes and what stands under each.
    """
    names = list(specs)
    outputs: list[str] = []

    def flat(*values: tf.Tensor) -> list[tf.Tensor]:
        result = network(dict(zip(names, values)))
        outputs[:] = list(result)
        return [result[name] for name in outputs]

    traced = tf.function(flat, input_signature=list(specs.values()), autograph=False).get_concrete_function()
    # A list of initializers, empty but for None, comes with vocabularies. Nothing reads it, and TensorFlow warns of it.
    traced.graph.clear_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    constant = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    return lambda tensors: dict(zip(outputs, constant(*(tensors[name] for name in names))))
