"""Tensors of TensorFlow Serving's gRPC: messages to arrays and back."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from easymtl.errors import did_you_mean, quoted
from easymtl.server.checks import Limits, check_names, check_shapes, expected
from easymtl.server.refusal import invalid
from easymtl.server.signature import Arrays, Signature, Tensor

# The field of the message that holds values of a type one by one.
_FIELDS = {
    tf.string: "string_val",
    tf.bool: "bool_val",
    tf.int32: "int_val",
    tf.int64: "int64_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
}
_KINDS = {dtype: object if dtype == tf.string else dtype.as_numpy_dtype for dtype in _FIELDS}


def arrays_of(inputs: Mapping[str, tensor_pb2.TensorProto], signature: Signature, limits: Limits) -> tuple[Arrays, int]:
    """Returns the inputs as arrays, checked, and the number of rows.

    Raises:
        Refusal: they are not what the signature takes; the text names the input.
    """
    check_names(signature, inputs)
    shapes = {name: _shape(tensor, inputs[name]) for name, tensor in signature.inputs.items()}
    num_rows = check_shapes(signature, shapes, limits)
    return {name: _array(one, inputs[name], shapes[name]) for name, one in signature.inputs.items()}, num_rows


def check_filter(signature: Signature, names: Iterable[str]) -> None:
    """Sees that each name is that of an output.

    Raises:
        Refusal: one is not.
    """
    for name in names:
        if name not in signature.outputs:
            raise invalid(
                f'output_filter: there is no output "{name}" of signature "{signature.name}", which gives '
                f"{quoted(signature.outputs)}.{did_you_mean(name, signature.outputs)}"
            )


def message_of(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Returns an output as a message, its values one by one as TensorFlow Serving writes them."""
    dtype = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
    if dtype not in _FIELDS:
        return tf.make_tensor_proto(array)
    message = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    getattr(message, _FIELDS[dtype]).extend(array.ravel().tolist())
    return message


def _shape(tensor: Tensor, message: tensor_pb2.TensorProto) -> tuple[int, ...]:
    """Returns the shape that a message says, if its type is right."""
    if message.dtype != tensor.dtype.as_datatype_enum:
        known = types_pb2.DataType.DESCRIPTOR.values_by_number.get(message.dtype)
        found = known.name if known else message.dtype
        wanted = types_pb2.DataType.Name(tensor.dtype.as_datatype_enum)
        raise invalid(f'input "{tensor.name}" has the dtype {found}, and takes {wanted}.{expected(tensor)}')
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if message.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid(f'input "{tensor.name}" has no definite shape.{expected(tensor)}')
    return shape


def _array(tensor: Tensor, message: tensor_pb2.TensorProto, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the values of a message: bytes of the whole, or a list in the field of their type.

    A list that is shorter than the shape says is filled up with its last value, as the message's definition has it.
    """
    size = math.prod(shape)
    if tensor.dtype not in _FIELDS:
        raise invalid(f'input "{tensor.name}" is {tensor.dtype.name}, which this server does not take.')
    if message.tensor_content:
        return _from_content(tensor, message.tensor_content, size).reshape(shape)
    field = _FIELDS[tensor.dtype]
    values = getattr(message, field)
    if len(values) > size or (size and not values):
        others = [name for name in _FIELDS.values() if name != field and len(getattr(message, name))]
        hint = f" Its values stand in {others[0]}, and belong in {field}." if others else ""
        raise invalid(
            f'input "{tensor.name}" holds {len(values)} values in {field}, and its shape {list(shape)} says {size}.'
            f"{hint}"
        )
    array = np.empty(len(values), _KINDS[tensor.dtype])
    array[:] = values
    if len(array) == size:
        return array if len(shape) == 1 else array.reshape(shape)
    return np.concatenate([array, np.repeat(array[-1:], size - len(array))]).reshape(shape)


def _from_content(tensor: Tensor, content: bytes, size: int) -> np.ndarray:
    if tensor.dtype == tf.string:
        raise invalid(f'input "{tensor.name}" is string, whose values stand in string_val and not in tensor_content.')
    if len(content) != size * tensor.dtype.size:
        raise invalid(
            f'input "{tensor.name}" holds {len(content)} bytes in tensor_content, and its shape and type say '
            f"{size * tensor.dtype.size}."
        )
    if tensor.dtype == tf.bool:
        return np.frombuffer(content, np.uint8) != 0
    return np.frombuffer(content, tensor.dtype.as_numpy_dtype)
