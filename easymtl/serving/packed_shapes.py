"""Refuses packed requests whose tensors do not fit together: no server compares all shapes with the signature."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.kinds.base import FEATURES, NUMBERS, ROWS
from easymtl.features.packing import PackedTensor

# Stands behind each shape in the list of all: a size is never below 0.
_END = -1
_NOTHING = -2

Axes = list[str | int]


def require_packed(
    packed: Mapping[str, tf.Tensor], tensors: Mapping[str, PackedTensor], num_rows: int | None = None
) -> dict[str, tf.Tensor]:
    """Returns the tensors of a packed request, which cannot be computed from unless their shapes fit together.

    Lengths of histories are brought between 0 and the steps that there are.

    Args:
        packed: by name.
        tensors: what they have to be.
        num_rows: how many rows there have to be; None for any number.
    """
    axes = {name: axes_of(name, tensors) for name in tensors}
    shapes = {name: tf.shape(packed[name]) for name in tensors}
    # Behind this operation nothing is known of the values: how many axes there are, optimizers take from the signature.
    found = tf.concat([part for shape in shapes.values() for part in (shape, [_END])], axis=0)
    found = tf.raw_ops.PlaceholderWithDefault(input=found, shape=[None])
    marked = [axis for name in tensors for axis in (*axes[name], _END)]
    seen = tf.pad(found, [[0, len(marked)]], constant_values=_NOTHING)[: len(marked)]
    wanted = _wanted(marked, seen, num_rows)
    is_right = tf.reduce_all(tf.equal(seen, wanted)) & tf.equal(tf.size(found), len(marked))
    checked = tf.cond(is_right, tf.no_op, lambda: tf.debugging.Assert(False, [_message(shapes, axes, num_rows)]))
    with tf.control_dependencies([checked]):
        kept = dict(zip(packed, tf.identity_n(list(packed.values()))))
    for name, tensor in tensors.items():
        kept[name].set_shape(tensor.spec(None).shape)
    return kept | {name: _bounded(name, kept, tensors) for name, tensor in tensors.items() if tensor.form.is_length}


def reshaped_packed(packed: Mapping[str, tf.Tensor], tensors: Mapping[str, PackedTensor]) -> dict[str, tf.Tensor]:
    """Returns the tensors of a packed request, each in the shape that it has to have, for formats without assertions.

    A tensor that does not fit cannot be reshaped: whatever runs the graph refuses it, and names the operation, which is
    called after the tensor. Axes are brought to their sizes one by one, or two that are exchanged would pass.

    Args:
        packed: by name.
        tensors: what they have to be.
    """
    sizes: dict[str | int, tf.Tensor] = {}
    result = {}
    for name, tensor in tensors.items():
        value, axes = packed[name], axes_of(name, tensors)
        found = list(tf.unstack(tf.shape(value), num=len(axes)))
        for place, axis in enumerate(axes):
            if isinstance(axis, str) and sizes.setdefault(axis, found[place]) is not found[place]:
                found[place] = sizes[axis]
                value = tf.reshape(value, tf.stack(found), name=f"shape_of_{name}")
        value.set_shape(tensor.spec(None).shape)
        result[name] = value
    return result | {name: _bounded(name, result, tensors) for name, tensor in tensors.items() if tensor.form.is_length}


def axes_of(name: str, tensors: Mapping[str, PackedTensor]) -> Axes:
    """Returns the size of each axis, or what tells it from others that need not be as long."""
    tensor = tensors[name]
    # Histories that stand side by side have as many steps, ids and weights of a tensor as many values.
    history = name.rsplit("_", 2 if "_item_" in name else 1)[0]
    return [
        ROWS if axis == ROWS
        else tensor.size if axis in (FEATURES, NUMBERS)
        else f"{axis} of {history}"
        for axis in tensor.form.axes
    ]  # fmt: skip


def _wanted(marked: Axes, seen: tf.Tensor, num_rows: int | None) -> tf.Tensor:
    """Returns the sizes that have to be: each axis is as long as where it is first met."""
    sizes = [num_rows if axis == ROWS and num_rows is not None else axis for axis in marked]
    constant = [axis if isinstance(axis, int) else _NOTHING for axis in sizes]
    first = [sizes.index(axis) for axis in sizes]
    return tf.where(tf.equal(constant, _NOTHING), tf.gather(seen, first), constant)


def _bounded(name: str, packed: Mapping[str, tf.Tensor], tensors: Mapping[str, PackedTensor]) -> tf.Tensor:
    steps = tf.shape(packed[tensors[name].form.of or name], out_type=tf.int64)[1]
    return tf.clip_by_value(packed[name], tf.constant(0, tf.int64), steps)


def _message(shapes: Mapping[str, tf.Tensor], axes: Mapping[str, Axes], num_rows: int | None) -> tf.Tensor:
    """Returns the sentence, a scalar: the shape of each input, and the one that it takes."""
    told = []
    for name, shape in shapes.items():
        sizes = tf.strings.reduce_join(tf.strings.as_string(shape), separator=", ")
        taken = [num_rows if axis == ROWS and num_rows is not None else axis for axis in axes[name]]
        told.append(tf.strings.join([f"{name} [", sizes, f"] of [{', '.join(map(str, taken))}]"]))
    return tf.strings.join(["inputs of unfit shapes: ", tf.strings.join(told, "; "), "."])
