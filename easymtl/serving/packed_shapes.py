"""Refuses packed requests whose tensors do not fit together: no server compares all shapes with the signature."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.features.kinds.base import FEATURES, NUMBERS, ROWS
from easymtl.features.packing import PackedTensor
from easymtl.serving.sizes import require_sizes

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
    axes = {name: axes_of(name, tensors, num_rows) for name in tensors}
    given = {name: packed[name] for name in tensors}
    kept = require_sizes(given, axes, lambda shapes: _message(shapes, axes))
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


def axes_of(name: str, tensors: Mapping[str, PackedTensor], num_rows: int | None = None) -> Axes:
    """Returns the size of each axis, or what tells it from others that need not be as long."""
    tensor = tensors[name]
    # Histories that stand side by side have as many steps, ids and weights of a tensor as many values.
    history = name.rsplit("_", 2 if "_item_" in name else 1)[0]
    return [
        (ROWS if num_rows is None else num_rows) if axis == ROWS
        else tensor.size if axis in (FEATURES, NUMBERS)
        else f"{axis} of {history}"
        for axis in tensor.form.axes
    ]  # fmt: skip


def _bounded(name: str, packed: Mapping[str, tf.Tensor], tensors: Mapping[str, PackedTensor]) -> tf.Tensor:
    steps = tf.shape(packed[tensors[name].form.of or name], out_type=tf.int64)[1]
    return tf.clip_by_value(packed[name], tf.constant(0, tf.int64), steps)


def _message(shapes: tf.Tensor, axes: Mapping[str, Axes]) -> tf.Tensor:
    """Returns the sentence, a scalar: the shape of each input, and the one that it takes."""
    taken = [f"] of [{', '.join(map(str, one))}]" for one in axes.values()]
    told = tf.strings.join([[f"{name} [" for name in axes], tf.strings.regex_replace(shapes, " ", ", "), taken])
    return tf.strings.join(["inputs of unfit shapes: ", tf.strings.reduce_join(told, separator="; "), "."])
