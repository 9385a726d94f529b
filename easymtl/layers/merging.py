"""Several values of a block graph made one: joined along an axis, or put into a list."""

from collections.abc import Sequence

import tensorflow as tf

from easymtl.layers.shapes import Array, History, Shape, ShapeFault, Value, describe
from easymtl.layers.steps import Steps, joined

_UNEQUAL = "histories that a block joins have different numbers of steps in a row"


def merged_shape(shapes: Sequence[Shape], axis: int = -1) -> Shape:
    """Returns the shape of `merged`.

    Raises:
        ShapeFault: the values cannot be joined.
    """
    if len(shapes) == 1:
        return shapes[0]
    if any(isinstance(shape, list) for shape in shapes):
        return [one for shape in shapes for one in (shape if isinstance(shape, list) else [shape])]
    for shape in shapes:
        if isinstance(shape, tuple):
            text = f'is given {describe(shape)}, several results of one layer; take one of them: input_slice: "[0]"'
            raise ShapeFault(text)
        if shape is None:
            raise ShapeFault("is given nothing by one of its inputs; take that away")
    histories = [shape for shape in shapes if isinstance(shape, History)]
    if len(histories) == len(shapes) and axis in (-1, 2):
        return History(sum(history.width for history in histories))
    return _joined_arrays([_padded(shape) for shape in shapes], axis)


def merged(values: Sequence[Value], axis: int, dtype: tf.DType) -> Value:
    """Joins values.

    One value is itself; lists become one list, to which the other values are added; tensors are joined along the axis,
    and so are steps of equal lengths along their width. Other steps are padded before.

    Args:
        values: at least one; `merged_shape` has accepted their shapes.
        axis: of the joined tensors.
        dtype: what floating values of different precisions become.
    """
    if len(values) == 1:
        return values[0]
    if any(isinstance(value, list) for value in values):
        return [one for value in values for one in (value if isinstance(value, list) else [value])]
    if axis in (-1, 2) and all(isinstance(value, Steps) for value in values):
        return _joined_steps([value for value in values if isinstance(value, Steps)], dtype)
    return tf.concat(of_one_type([padded(value) for value in values], dtype), axis=axis)


def padded(value: Value) -> Value:
    """Returns a value with steps as tensors `[batch, longest, width]`, 0 behind the end of a row, in lists too."""
    if isinstance(value, Steps):
        return value.rectangle().values
    if isinstance(value, list):
        return [padded(one) for one in value]
    return tuple(padded(one) for one in value) if isinstance(value, tuple) else value


def of_one_type(tensors: Sequence[tf.Tensor], dtype: tf.DType) -> list[tf.Tensor]:
    """Returns tensors as they are, or where they are floating and of different precision, in the one that is given."""
    found = {tensor.dtype for tensor in tensors if tensor.dtype.is_floating}
    if len(found) < 2:
        return list(tensors)
    return [tf.cast(tensor, dtype) if tensor.dtype.is_floating else tensor for tensor in tensors]


def _joined_steps(steps: Sequence[Steps], dtype: tf.DType) -> Steps:
    first, *others = steps
    different = [one.lengths for one in others if one.lengths is not first.lengths]
    # Segments of other lengths might have as many steps in all, and would be put together wrongly.
    with tf.device("/CPU:0"):  # Their message is a text, which no GPU has a kernel for.
        checks = [tf.debugging.assert_equal(first.lengths, lengths, _UNEQUAL) for lengths in different]
    with tf.control_dependencies([check for check in checks if check is not None]):
        flats = of_one_type([tf.identity(one.flat) for one in steps], dtype)
    return joined([one.replaced(flat) for one, flat in zip(steps, flats)])


def _padded(shape: Shape) -> Array:
    if isinstance(shape, History):
        return Array((None, None, shape.width))
    assert isinstance(shape, Array), shape
    return shape


def _joined_arrays(shapes: Sequence[Array], axis: int) -> Array:
    shown = ", ".join(map(str, shapes))
    if len({len(shape.sizes) for shape in shapes}) > 1:
        raise ShapeFault(f"cannot join {shown}: they have different numbers of axes")
    if len({shape.dtype.is_floating for shape in shapes}) > 1 or len({shape.dtype.name for shape in shapes}) > 1:
        types = ", ".join(shape.dtype.name for shape in shapes)
        raise ShapeFault(f"cannot join {shown}: their types differ ({types})")
    rank = len(shapes[0].sizes)
    place = axis + rank if axis < 0 else axis
    if not 0 <= place < rank:
        raise ShapeFault(f"cannot join {shown} along axis {axis}: there are axes 0 to {rank - 1}")
    if place == 0:
        raise ShapeFault(f"cannot join {shown} along axis {axis}: that are the rows of the batch")
    sizes = [list(shape.sizes) for shape in shapes]
    result = sizes[0]
    for index in range(rank):
        found = [size[index] for size in sizes]
        known = set(_known(found))
        if index == place:
            result[index] = sum(_known(found)) if None not in found else None
        elif len(known) > 1:
            raise ShapeFault(f"cannot join {shown} along axis {axis}: axis {index} differs")
        else:
            result[index] = next(iter(known), None)
    return Array(tuple(result), shapes[0].dtype)


def _known(sizes: Sequence[int | None]) -> list[int]:
    return [size for size in sizes if size is not None]
