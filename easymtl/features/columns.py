"""Arrow columns as distinct values for TensorFlow and the place of every row's value among them."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from easymtl.data.fields import LISTS
from easymtl.features.text import Items

_SAMPLE_ROWS = 4096
_FIRST_LONG_VARINT = 128


class Column(NamedTuple):
    """The values of a column, without nulls.

    Attributes:
        values: `[d]`, the distinct values, or those of the rows where they hardly repeat; of lists their items.
        indices: `[n]` intp, the value of each row; None when `values` are the rows.
        num_nulls: rows whose number was null; a null text is counted as any '' is.
    """

    values: tf.Tensor | Items
    indices: np.ndarray | None
    num_nulls: int


def read_column(array: pa.Array) -> Column:
    """Returns an Arrow column with null as '' or 0."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    num_nulls = 0 if _is_text(array.type) else array.null_count
    if not pa.types.is_dictionary(array.type) and (_is_text(array.type) or _repeats(array)):
        array = array.dictionary_encode()
    if not pa.types.is_dictionary(array.type):
        return Column(tf.constant(_numbers(array)), None, num_nulls)
    dictionary, indices = array.dictionary, array.indices
    is_text = _is_text(dictionary.type)
    if is_text and not indices.null_count and _are_rows(indices, len(dictionary)):
        return Column(text_tensor(dictionary), None, num_nulls)
    is_null = indices.is_null().to_numpy(zero_copy_only=False) if indices.null_count else None
    places = (indices if is_null is None else indices.fill_null(0)).to_numpy()
    if len(dictionary) > 2 * len(array):
        # A slice of a large row group brings the dictionary of all of it.
        dictionary, places = _used(dictionary, places)
    if is_null is not None:
        # Null is one more value, at the end.
        places = np.where(is_null, len(dictionary), places)
        dictionary = pa.concat_arrays([dictionary, pa.array(["" if is_text else 0], dictionary.type)])
    values = text_tensor(dictionary) if is_text else tf.constant(_numbers(dictionary))
    return Column(values, places.astype(np.intp), num_nulls)


def read_values(array: pa.Array, most_items: int = 0) -> Column:
    """Returns a column; of lists the items, see `read_items`."""
    return Column(read_items(array, most_items), None, 0) if array.type == LISTS else read_column(array)


def read_items(array: pa.Array, most: int = 0) -> Items:
    """Returns lists as their items; a row without any has one, '', as its text has.

    Args:
        array: `[n]`, of type `LISTS`.
        most: how many items of a row are read, from the first on; 0 for all.
    """
    lengths = pc.list_value_length(array).fill_null(0).to_numpy()
    values = pc.list_flatten(array)
    distinct, places = values.dictionary, values.indices.to_numpy()
    if most and len(lengths) and lengths.max() > most:
        starts = np.cumsum(lengths) - lengths
        places = places[np.arange(len(places)) - np.repeat(starts, lengths) < most]
        lengths = np.minimum(lengths, most)
    # Others may be no numbers, where numbers are read.
    distinct, places = _used(distinct, places)
    is_none = lengths == 0
    if is_none.any():
        places = np.insert(places, (np.cumsum(lengths) - lengths)[is_none], len(distinct))
        distinct = pa.concat_arrays([distinct, pa.array([""], distinct.type)])
        lengths = np.where(is_none, 1, lengths)
    numbers = tf.constant(places.astype(np.int32, copy=False)), tf.constant(lengths.astype(np.int64, copy=False))
    return Items(text_tensor(distinct), *numbers)


def _used(distinct: pa.Array, places: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """Returns those of some values that places `[n]` are of, in their order, and the places of these values there."""
    is_used = np.zeros(len(distinct), bool)
    is_used[places] = True
    used = np.flatnonzero(is_used)
    if len(used) == len(distinct):
        return distinct, places
    # Nothing is written, or read, of what is not used.
    new_places: np.ndarray = np.empty(len(distinct), places.dtype)
    new_places[used] = np.arange(len(used))
    return distinct.take(pa.array(used)), new_places.take(places)


def as_requested(array: pa.Array, default: pa.Scalar | None) -> pa.Array:
    """Returns a column as a client sends it to a server: no dictionary and no null, see `missing_value`."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array.fill_null(missing_value(array.type, default)) if array.null_count else array


def missing_value(kind: pa.DataType, default: pa.Scalar | None) -> pa.Scalar:
    """Returns what a client sends where a value is missing.

    That is '' for a text, and NaN for a decimal number with a `default_val`: the graph puts the default in their place.
    It is the default itself, else 0 or false, for integers and booleans, which have no value that says "missing"; and 0
    for a decimal number without default, as training takes it.
    """
    if _is_text(kind):
        return pa.scalar("", kind)
    if default is not None:
        return pa.scalar(np.nan, kind) if pa.types.is_floating(kind) else default
    return pa.scalar(False if pa.types.is_boolean(kind) else 0, kind)


def tensor_of(column: pa.Array) -> tf.Tensor:
    """Returns a column without nulls as a tensor `[n]`, or lists of equal lengths as `[n, length]`."""
    if pa.types.is_fixed_size_list(column.type):
        return tf.reshape(tensor_of(column.flatten()), [len(column), column.type.list_size])
    return text_tensor(column) if _is_text(column.type) else tf.constant(column.to_numpy(zero_copy_only=False))


def text_tensor(strings: pa.Array) -> tf.Tensor:
    """Returns Arrow strings `[n]` as a tensor, without making a Python object of each; null is ''.

    The bytes are handed over as the `tensor_content` of a TensorProto: the lengths as varints, then all text.
    """
    if not len(strings):
        return tf.constant([], tf.string)
    strings = strings.fill_null("") if strings.null_count else strings
    offset_type = np.int64 if pa.types.is_large_string(strings.type) else np.int32
    _, offsets, text = strings.buffers()
    ends = np.frombuffer(offsets, offset_type, len(strings) + 1, strings.offset * offset_type().itemsize)
    lengths = np.diff(ends)
    content = b"" if text is None else memoryview(text)[ends[0] : ends[-1]]
    proto = tensor_pb2.TensorProto(
        dtype=tf.string.as_datatype_enum, tensor_content=b"".join([_varints(lengths), content])
    )
    proto.tensor_shape.dim.add(size=len(strings))
    return tf.io.parse_tensor(proto.SerializeToString(), tf.string)


def _varints(numbers: np.ndarray) -> bytes:
    """Returns numbers as base-128 varints: seven bits a byte, the lowest first, the high bit set but on the last."""
    if not len(numbers) or numbers.max() < _FIRST_LONG_VARINT:
        return numbers.astype(np.uint8).tobytes()
    sevens = numbers.astype(np.int64)[:, np.newaxis] >> np.arange(0, 35, 7)
    used = sevens > 0
    used[:, 0] = True
    more = np.concatenate([used[:, 1:], np.zeros((len(numbers), 1), bool)], axis=1)
    return ((sevens & 127) | (more << 7)).astype(np.uint8)[used].tobytes()


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _are_rows(indices: pa.Array, num_values: int) -> bool:
    """Returns whether the values of a dictionary are the rows, one for each."""
    places = indices.to_numpy()
    return len(places) == num_values and bool((places == np.arange(len(places))).all())


def _numbers(array: pa.Array) -> np.ndarray:
    if array.null_count:
        array = array.fill_null(False if pa.types.is_boolean(array.type) else 0)
    return array.to_numpy(zero_copy_only=False)


def _repeats(array: pa.Array) -> bool:
    """Whether integers repeat so often that encoding the distinct ones is cheaper than all."""
    if not pa.types.is_integer(array.type) or len(array) < 2:
        return False
    sample = array.slice(0, _SAMPLE_ROWS)
    return 2 * pc.count_distinct(sample, mode="all").as_py() < len(sample)
