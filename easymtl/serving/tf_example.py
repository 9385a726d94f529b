"""Rows of a request as serialized tf.train.Example: the features of each are the fields, under their names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import tensorflow as tf

from easymtl.config.multi_values import FLOAT, INT64, STRING, MultiValue, multi_values
from easymtl.data.convert import default_scalar
from easymtl.data.fields import Field
from easymtl.features.columns import missing_value
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.features.padded import texts_of
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.request_form import RequestForm

INPUT = "examples"

_LISTS = {STRING: (tf.string, ""), INT64: (tf.int64, -1), FLOAT: (tf.float32, float("nan"))}
_KINDS = {tf.string: "bytes_list", tf.int64: "int64_list", tf.float32: "float_list"}
_SMALLEST, _LARGEST = -(1 << 31), (1 << 31) - 1


@dataclass(frozen=True)
class ExampleForm:
    """What the features of an example are.

    Attributes:
        fields: each is a bytes_list (STRING), an int64_list (INT32, INT64, BOOL) or a float_list (FLOAT, DOUBLE) of one
            value at most.
        lists: those of them that take several values; of a STRING field that is sent as a list of numbers, such a list.
    """

    fields: Mapping[str, Field]
    lists: Mapping[str, MultiValue]

    @classmethod
    def of(cls, pipeline: Pipeline, form: RequestForm) -> "ExampleForm":
        """Returns the form that stands beside one of raw columns: of the same fields."""
        asked = Pipeline()
        asked.CopyFrom(pipeline)
        asked.export_config.multi_placeholder = True
        asked.export_config.auto_multi_value = False
        texts = [name for name, field in form.fields.items() if field.type == pa.string()]
        asked.export_config.multi_value_fields.input_name[:] = texts
        split = {name: replace(one, kind=STRING) for name, one in multi_values(asked).items() if name in texts}
        return cls(form.fields, split | dict(form.lists))

    def kind(self, name: str) -> str:
        """Returns what the feature of a field is, such as `bytes_list`."""
        return _KINDS[self._type(name)]

    def columns(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the raw columns `[rows]` by field; the graph fails where an example is none of this form.

        A feature that is not there, or holds no value, is a missing value: `default_val`, or else '', 0 or false.
        """
        specs = {name: tf.io.RaggedFeature(self._type(name), row_splits_dtype=tf.int64) for name in self.fields}
        parsed = tf.io.parse_example(serialized, specs)
        single = {name: field for name, field in self.fields.items() if name not in self.lists}
        checked = [_checked(single, parsed)] if single else []
        with tf.control_dependencies(checked):
            columns = {name: _value(field, parsed[name]) for name, field in single.items()}
        texts = self._texts({name: parsed[name] for name in self.lists}) if self.lists else {}
        return {name: (texts if name in self.lists else columns)[name] for name in self.fields}

    def _type(self, name: str) -> tf.DType:
        if name in self.lists:
            return _LISTS[self.lists[name].kind][0]
        kind = TENSOR_TYPES[self.fields[name].type]
        return tf.string if kind == tf.string else tf.float32 if kind.is_floating else tf.int64

    def _texts(self, ragged: Mapping[str, tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        """Returns lists as the texts that features read; a list of one text is that text, separators and all."""
        rectangles, whole = {}, {}
        for name, values in ragged.items():
            kind, padding = _LISTS[self.lists[name].kind]
            rectangle = values.to_tensor(tf.constant(padding, kind))
            if kind == tf.string:
                is_whole = tf.less_equal(values.row_lengths(), 1)
                whole[name] = is_whole, tf.strings.reduce_join(rectangle, axis=1)
                rectangle = tf.where(is_whole[:, tf.newaxis], "", rectangle)
            rectangles[name] = rectangle
        texts = texts_of(rectangles, self.lists)
        return texts | {name: tf.where(is_whole, text, texts[name]) for name, (is_whole, text) in whole.items()}


def _value(field: Field, values: tf.RaggedTensor) -> tf.Tensor:
    """Returns the one value of each row, `[rows]`."""
    missing = missing_value(field.type, default_scalar(field)).as_py()
    filled = values.to_tensor(tf.constant(missing, values.dtype), shape=[None, 1])[:, 0]
    return tf.not_equal(filled, 0) if field.type == pa.bool_() else tf.cast(filled, TENSOR_TYPES[field.type])


def _checked(fields: Mapping[str, Field], parsed: Mapping[str, tf.RaggedTensor]) -> tf.Operation:
    """Returns what fails, with the name, where a field has several values, or a number that its type cannot hold."""
    counts = tf.stack([parsed[name].row_lengths() for name in fields], axis=1)
    whole = [name for name, field in fields.items() if field.type == pa.int32()]
    numbers = tf.concat([parsed[name].flat_values for name in whole] or [tf.constant([], tf.int64)], axis=0)
    is_large = tf.less(numbers, _SMALLEST) | tf.greater(numbers, _LARGEST)
    is_wrong = tf.reduce_any(tf.greater(counts, 1)) | tf.reduce_any(is_large)

    def problem() -> tf.Tensor:
        row, place = tf.unstack(tf.where(tf.greater(counts, 1))[0], num=2)
        told = [
            f"input {INPUT}: row ", tf.strings.as_string(row), " (the first is 0) has ",
            tf.strings.as_string(counts[row, place]), " values of ", tf.gather(list(fields), place),
            ", of which features read one.",
        ]  # fmt: skip
        return tf.strings.join(told)

    def too_large() -> tf.Tensor:
        said = f"input {INPUT}: a number of {', '.join(whole)} is not from {_SMALLEST} to {_LARGEST}: "
        return tf.strings.join([said, tf.strings.as_string(numbers[is_large][0]), "."])

    def message() -> tf.Tensor:
        return tf.cond(tf.reduce_any(tf.greater(counts, 1)), problem, too_large)

    return tf.cond(is_wrong, lambda: tf.debugging.Assert(False, [message()]), tf.no_op)
