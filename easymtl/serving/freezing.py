"""Functions that stand once in a SavedModel, and networks whose weights are constants.

What follows from constants TensorFlow folds when it loads the model.
"""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from easymtl.serving.norm_folding import fold_norms

Tensors = Mapping[str, tf.Tensor]


def freeze(
    network: Callable[[Tensors], dict[str, tf.Tensor]], specs: Mapping[str, tf.TensorSpec], folds_norms: bool = False
) -> Callable:
    """Returns a function of the same values that reads no variable: it has the values that they have now.

    Args:
        network: maps tensors by name to outputs by name.
        specs: the names that it takes and what stands under each.
        folds_norms: whether batch norms become a part of the kernels before them, see `fold_norms`.
    """
    traced, outputs = _traced(network, specs)
    constant = convert_variables_to_constants_v2(traced, lower_control_flow=False)
    if folds_norms:
        constant = fold_norms(constant)
    return lambda tensors: dict(zip(outputs, constant(*(tensors[name] for name in specs))))


def traced_once(function: Callable[[Tensors], Tensors], specs: Mapping[str, tf.TensorSpec]) -> Callable:
    """Returns a function of the same values that is a single one in the graphs of all functions that call it.

    Args:
        function: maps tensors by name to outputs by name.
        specs: the names that it takes and what stands under each.
    """
    traced, outputs = _traced(function, specs)
    return lambda tensors: dict(zip(outputs, traced(*(tensors[name] for name in specs))))


def _traced(function: Callable[[Tensors], Tensors], specs: Mapping[str, tf.TensorSpec]) -> tuple[Any, list[str]]:
    """Returns a concrete function of tensors in the order of the specs, and the names of its outputs."""
    names = list(specs)
    outputs: list[str] = []

    def flat(*values: tf.Tensor) -> list[tf.Tensor]:
        result = function(dict(zip(names, values)))
        outputs[:] = list(result)
        return [result[name] for name in outputs]

    traced = tf.function(flat, input_signature=list(specs.values()), autograph=False).get_concrete_function()
    # A list of initializers, empty but for None, comes with vocabularies. Nothing reads it, and TensorFlow warns of it.
    traced.graph.clear_collection(tf.compat.v1.GraphKeys.TABLE_INITIALIZERS)
    return traced, outputs
