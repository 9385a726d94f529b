"""Weights of a network that are stored in the precision in which it reads them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from easymtl.errors import UserError

Network = Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]

# What hands on values as they are, so that they may be narrow before it as well as behind it.
_READS = ("ReadVariableOp", "ResourceGather")
_HANDS_ON = ("ExpandDims", "GatherV2", "Identity", "Pack", "Reshape", "Squeeze", "StridedSlice", "Transpose", "Unpack")


@contextlib.contextmanager
def narrow_kernels(
    layers: tf.Module, network: Network, specs: Mapping[str, tf.TensorSpec], dtype: tf.DType
) -> Iterator[list[tf.Variable]]:
    """Has layers hold those of their weights in a precision that they read in no other; they have their own back after.

    A graph that is traced meanwhile has constants or variables of these few bytes, and no cast that would make them
    float32 numbers again when TensorFlow folds what follows from constants.

    Args:
        layers: what holds the variables.
        network: the function of the layers, which computes in `dtype`.
        specs: what it takes, by name.
        dtype: float32, of which nothing is changed, or a narrower one.

    Yields:
        The variables that the layers have meanwhile.

    Raises:
        UserError: a weight is no number in the precision.
    """
    if dtype == tf.float32:
        yield list(layers.variables)
        return
    narrow = {one.ref(): _narrowed(one, dtype) for one in _only_cast(network, specs, dtype)}
    before = _swap(layers, narrow)
    try:
        yield list(layers.variables)
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def _narrowed(variable: tf.Variable, dtype: tf.DType) -> tf.Variable:
    value = tf.cast(variable, dtype)
    is_lost = ~tf.math.is_finite(value) & tf.math.is_finite(variable)
    if tf.reduce_any(is_lost):
        largest = float(tf.reduce_max(tf.abs(variable)))
        raise UserError(
            f"export_config.precision: a weight of the network is {largest:g}, which is no number in "
            f"{dtype.name.upper()}. Use BFLOAT16 or FLOAT32."
        )
    return tf.Variable(value, trainable=False)


def _only_cast(network: Network, specs: Mapping[str, tf.TensorSpec], dtype: tf.DType) -> list[tf.Variable]:
    """Returns the variables that a network reads in one precision alone: all that is done with them is a cast to it."""
    function = tf.function(lambda *tensors: network(dict(zip(specs, tensors))), autograph=False)
    traced = function.get_concrete_function(*specs.values())
    inner = {id(outer): inner for outer, inner in traced.graph.captures}
    return [
        variable
        for variable in traced.graph.variables
        if variable.dtype == tf.float32 and _is_only_cast(inner[id(variable.handle)], dtype)
    ]


def _is_only_cast(handle: tf.Tensor, dtype: tf.DType) -> bool:
    return all(_ends_in_casts(reader, dtype) if reader.type in _READS else False for reader in handle.consumers())


def _ends_in_casts(op: tf.Operation, dtype: tf.DType) -> bool:
    """Returns whether whatever reads the values of an op casts them, at once or after having moved them about."""
    return all(
        reader.get_attr("DstT") == dtype
        if reader.type == "Cast"
        else reader.type in _HANDS_ON and len(_values(reader)) == 1 and _ends_in_casts(reader, dtype)
        for output in op.outputs
        for reader in output.consumers()
    )


def _values(op: tf.Operation) -> list[tf.Tensor]:
    """Returns the inputs of an op that are numbers of any kind, not places or shapes."""
    return [one for one in op.inputs if one.dtype.is_floating]


def _swap(layers: tf.Module, swapped: Mapping[Any, tf.Variable]) -> list[tuple[tf.Module, str, Any]]:
    """Puts variables in place of others, and returns what was where."""
    before = []
    for module in (layers, *layers.submodules):
        # What TensorFlow itself keeps beside them begins with an underscore of its own.
        for name, value in [one for one in vars(module).items() if not one[0].startswith(("_self_", "_obj_"))]:
            if not any(isinstance(leaf, tf.Variable) and leaf.ref() in swapped for leaf in tf.nest.flatten(value)):
                continue
            before.append((module, name, value))
            setattr(module, name, _with_swapped(value, swapped))
    return before


def _with_swapped(value: Any, swapped: Mapping[Any, tf.Variable]) -> Any:
    def swap(leaf: Any) -> Any:
        return swapped.get(leaf.ref(), leaf) if isinstance(leaf, tf.Variable) else leaf

    return tf.nest.map_structure(swap, value)
