"""The functions that block graphs write as Python text, over tensors, steps and lists of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from easymtl.config.expressions import Function, evaluate
from easymtl.layers.merging import of_one_type, padded
from easymtl.layers.shapes import MOST_VALUES, Array, History, Shape, ShapeFault, Value, require_few_values
from easymtl.layers.steps import Rectangle, Steps

_SOFTMAX_AXIS = -1
_MOST_BITS = 1024
"""Of whole numbers; floating ones end there too."""


def call_function(function: Function, arguments: Sequence[Value | int], dtype: tf.DType) -> Value:
    """Returns what a function makes of values.

    Steps that are only handed on stay steps; what computes with them is given tensors, padded with 0 to the longest.

    Args:
        function: of a config.
        arguments: one for each of its parameters.
        dtype: what floating values of different precisions become where they meet.

    Raises:
        ShapeFault: an index is none of the value's.
    """
    values = {**_CONSTANTS, **dict(zip(function.parameters, arguments, strict=True))}
    return evaluate(function.body, values, _operations(dtype))


def function_shape(function: Function, arguments: Sequence[Shape | int]) -> Shape:
    """Returns the shape of what a function makes of values of some shapes.

    Raises:
        ShapeFault: it cannot be computed for them.
    """
    with tf.Graph().as_default():
        values = [one if isinstance(one, int) else _symbol(one) for one in arguments]
        try:
            result = call_function(function, values, tf.float32)
            require_few_values(result)
            return _shape(result)
        except ShapeFault as fault:
            raise ShapeFault(f'cannot compute "{function.text}": {fault}') from None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, tf.errors.OpError) as error:
            reason = str(error).split(" for '{{")[0].split(" for '")[0].split("\n")[0].rstrip(".")
            raise ShapeFault(f'cannot compute "{function.text}": {reason}') from None


def _symbol(shape: Shape) -> Value:
    """Returns a value without content."""
    if isinstance(shape, History):
        values = tf.compat.v1.placeholder(tf.float32, [None, None, shape.width])
        return Rectangle(values, tf.compat.v1.placeholder(tf.int32, [None]))
    if isinstance(shape, list):
        return [_symbol(one) for one in shape]
    if isinstance(shape, tuple):
        return tuple(_symbol(one) for one in shape)
    return None if shape is None else tf.compat.v1.placeholder(shape.dtype, shape.sizes)


def _shape(value: Any) -> Shape:
    if value is None:
        return None
    if isinstance(value, Steps):
        return History(value.width)
    if isinstance(value, list):
        return [_shape(one) for one in value]
    if isinstance(value, tuple):
        return tuple(_shape(one) for one in value)
    if not isinstance(value, tf.Tensor):
        raise ShapeFault(f"its result is {value}, which depends on no input")
    if value.shape.rank is None:
        raise ShapeFault("the number of axes of its result is not fixed")
    return Array(tuple(value.shape.as_list()), value.dtype)


def _operations(dtype: tf.DType) -> Mapping[str, Callable[..., Any]]:
    """Returns what computes, with tensors of different precisions brought to one."""
    functions = {name: _aligned(function, dtype) for name, function in FUNCTIONS.items()}
    operators = {name: _of_numbers(name, _aligned(function, dtype)) for name, function in _OPERATORS.items()}
    return {"[]": _item, **functions, **operators}


def _aligned(function: Callable[..., Any], dtype: tf.DType) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        given = [padded(one) for one in (*arguments, *named.values())]
        tensors = of_one_type([one for one in _flat(given) if isinstance(one, tf.Tensor)], dtype)
        replaced = iter(tensors)
        given = _with_tensors(given, replaced)
        return function(*given[: len(arguments)], **dict(zip(named, given[len(arguments) :])))

    return call


def _of_numbers(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns an operator that joins lists if it is "+", and takes none else."""

    def call(*operands: Any) -> Any:
        are_lists = [isinstance(one, list | tuple) for one in operands]
        if name == "+" and all(are_lists):
            return [*operands[0], *operands[1]]
        if any(are_lists):
            raise ShapeFault(f'a list has no "{name.strip("x")}"; stack or add up its values before')
        return function(*operands)

    return call


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [item for one in value for item in _flat(one)]
    if value is None:
        return []
    return [value]


def _with_tensors(value: Any, tensors: Any) -> Any:
    """Returns a value with its tensors, in order, replaced."""
    if isinstance(value, list):
        return [_with_tensors(one, tensors) for one in value]
    if isinstance(value, tuple):
        return tuple(_with_tensors(one, tensors) for one in value)
    return next(tensors) if isinstance(value, tf.Tensor) else value


def _item(value: Any, keys: tuple[Any, ...]) -> Any:
    """Returns what stands at an index of a list, a tuple or a tensor."""
    for key in keys:
        parts = (key.start, key.stop, key.step) if isinstance(key, slice) else (key,)
        if any(part is not None and part is not ... and not isinstance(part, int) for part in parts):
            raise ShapeFault("an index is no whole number")
    if isinstance(value, list | tuple):
        return _of_list(value, keys)
    if value is None or isinstance(value, int | float):
        raise ShapeFault("an index is applied to what is no list or tensor")
    tensor: tf.Tensor = padded(value)
    if isinstance(keys[0], int) and tensor.shape.rank and tensor.shape[0] is None:
        raise ShapeFault(f"[{keys[0]}] of a tensor is a row of the batch; columns are [:, {keys[0]}]")
    return tensor[keys if len(keys) > 1 else keys[0]]


def _of_list(value: Sequence[Any], keys: tuple[Any, ...]) -> Any:
    kind = "list" if isinstance(value, list) else "tuple"
    if len(keys) > 1 or keys[0] is ...:
        raise ShapeFault(f"a {kind} has one index: write [0][1] for a value in a list in a list")
    key = keys[0]
    if isinstance(key, int) and not -len(value) <= key < len(value):
        raise ShapeFault(f"[{key}] is not in the {kind} of {len(value)}")
    return value[key]


def _softmax(logits: tf.Tensor, axis: int = _SOFTMAX_AXIS) -> tf.Tensor:
    return tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32), axis=axis), logits.dtype)


def _l2_normalize(x: tf.Tensor, axis: int | Sequence[int] | None = None) -> tf.Tensor:
    return tf.cast(tf.math.l2_normalize(tf.cast(x, tf.float32), axis=axis), x.dtype)


def _of_x(function: Callable[..., tf.Tensor]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function of one tensor with the name that it has in the grammar."""

    def call(x: tf.Tensor) -> tf.Tensor:
        return function(x)

    return call


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent * base.bit_length() > _MOST_BITS:
        # Python would compute all digits of 9**9**9, for hours.
        raise ShapeFault(f"{base}**{exponent} is too large a number")
    return operator.pow(base, exponent)


def _split(value: tf.Tensor, num_or_size_splits: Any, axis: int = 0) -> list[tf.Tensor]:
    is_tensor = isinstance(num_or_size_splits, tf.Tensor) and num_or_size_splits.shape.rank
    _require_few(num_or_size_splits.shape[0] if is_tensor else num_or_size_splits)
    parts: list[tf.Tensor] = tf.split(value, num_or_size_splits, axis=axis)
    return parts


def _unstack(value: tf.Tensor, num: int | None = None, axis: int = 0) -> list[tf.Tensor]:
    _require_few(num)
    size = value.shape[axis] if num is None and isinstance(value, tf.Tensor) and value.shape.rank else None
    _require_few(size)
    parts: list[tf.Tensor] = tf.unstack(value, num=num, axis=axis)
    return parts


def _require_few(number: Any) -> None:
    """Refuses to take a tensor apart into so many pieces that their list alone fills the memory."""
    if isinstance(number, int) and number > MOST_VALUES:
        raise ShapeFault(f"{number} pieces are too many: {MOST_VALUES:,} are possible")


def _gather(params: tf.Tensor, indices: tf.Tensor, axis: int = 0) -> tf.Tensor:
    return tf.gather(params, indices, axis=axis)


_CONSTANTS = {"tf.float32": tf.float32, "tf.int32": tf.int32, "tf.int64": tf.int64, "tf.bool": tf.bool}

_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _power,
    "-x": operator.neg,
    "==": tf.equal,
    "!=": tf.not_equal,
    ">": tf.greater,
    ">=": tf.greater_equal,
    "<": tf.less,
    "<=": tf.less_equal,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tf.add_n": tf.add_n,
    "tf.concat": tf.concat,
    "tf.stack": tf.stack,
    "tf.unstack": _unstack,
    "tf.split": _split,
    "tf.reshape": tf.reshape,
    "tf.squeeze": tf.squeeze,
    "tf.expand_dims": tf.expand_dims,
    "tf.transpose": tf.transpose,
    "tf.tile": tf.tile,
    "tf.gather": _gather,
    "tf.shape": tf.shape,
    "tf.cast": tf.cast,
    "tf.where": tf.where,
    "tf.matmul": tf.matmul,
    "tf.clip_by_value": tf.clip_by_value,
    "tf.softmax": _softmax,
    "tf.l2_normalize": _l2_normalize,
    "tf.reduce_sum": tf.reduce_sum,
    "tf.reduce_mean": tf.reduce_mean,
    "tf.reduce_max": tf.reduce_max,
    "tf.reduce_min": tf.reduce_min,
    "tf.reduce_prod": tf.reduce_prod,
    "tf.abs": tf.abs,
    "tf.ceil": tf.math.ceil,
    "tf.cos": tf.cos,
    "tf.exp": tf.exp,
    "tf.floor": tf.floor,
    "tf.identity": _of_x(tf.identity),
    "tf.log": tf.math.log,
    "tf.log1p": tf.math.log1p,
    "tf.logical_not": tf.logical_not,
    "tf.negative": tf.negative,
    "tf.ones_like": _of_x(tf.ones_like),
    "tf.relu": _of_x(tf.nn.relu),
    "tf.round": tf.round,
    "tf.rsqrt": tf.math.rsqrt,
    "tf.sigmoid": tf.sigmoid,
    "tf.sign": tf.sign,
    "tf.sin": tf.sin,
    "tf.softplus": _of_x(tf.math.softplus),
    "tf.sqrt": tf.sqrt,
    "tf.square": tf.square,
    "tf.stop_gradient": _of_x(tf.stop_gradient),
    "tf.tanh": tf.tanh,
    "tf.zeros_like": _of_x(tf.zeros_like),
    "tf.add": tf.add,
    "tf.subtract": tf.subtract,
    "tf.multiply": tf.multiply,
    "tf.divide": tf.divide,
    "tf.pow": tf.pow,
    "tf.maximum": tf.maximum,
    "tf.minimum": tf.minimum,
    "tf.squared_difference": tf.math.squared_difference,
    "tf.equal": tf.equal,
    "tf.not_equal": tf.not_equal,
    "tf.greater": tf.greater,
    "tf.greater_equal": tf.greater_equal,
    "tf.less": tf.less,
    "tf.less_equal": tf.less_equal,
    "tf.logical_and": tf.logical_and,
    "tf.logical_or": tf.logical_or,
}
"""The functions of `config.expressions.BLOCKS`, with the parameters that are named there."""
