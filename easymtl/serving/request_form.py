"""What a request looks like: a tensor for each field, lists of values for some of them, or one line for each row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import tensorflow as tf

from easymtl.config.multi_values import FLOAT, INT64, STRING, MultiValue, multi_values
from easymtl.data.fields import Field, input_fields
from easymtl.features import lines
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.features.padded import texts_of
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.equal_rows import require_equal_rows

TYPES_OF_LISTS = {STRING: tf.string, INT64: tf.int64, FLOAT: tf.float32}

Tensors = Mapping[str, tf.Tensor]

_OF_USER = "inputs of export_config.user_fields do not have the 1 row of the user, whom all items share"


@dataclass(frozen=True)
class RequestForm:
    """The inputs of a signature of raw columns, and what they stand for.

    Attributes:
        fields: the fields that a request holds; of a line, in this order.
        lists: those of them that are `[rows, values]`.
        separator: what stands between the fields of a line; None where each field is an input.
        num_rows: rows that a request has to have; None for any number.
    """

    fields: Mapping[str, Field]
    lists: Mapping[str, MultiValue]
    separator: str | None = None
    num_rows: int | None = None

    @classmethod
    def of(cls, pipeline: Pipeline, names: Iterable[str]) -> "RequestForm":
        """Returns the form that `export_config` asks for, of the fields that a model reads."""
        config = pipeline.export_config
        declared, wanted = input_fields(pipeline.data_config), set(names)
        is_line = not config.multi_placeholder
        ordered = [name for name in declared if name in wanted] if is_line else list(names)
        lists = {name: one for name, one in multi_values(pipeline).items() if name in wanted}
        separator = pipeline.data_config.separator if is_line else None
        num_rows = config.batch_size if config.batch_size > 0 else None
        return cls({name: declared[name] for name in ordered}, lists, separator, num_rows)

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs by name."""
        rows = self.num_rows
        if self.separator is not None:
            return {lines.INPUT: tf.TensorSpec([rows], tf.string)}
        return {
            name: tf.TensorSpec([rows, None], TYPES_OF_LISTS[self.lists[name].kind])
            if name in self.lists
            else tf.TensorSpec([rows], TENSOR_TYPES[field.type])
            for name, field in self.fields.items()
        }

    def columns(self, request: Tensors, problem: str = "") -> dict[str, tf.Tensor]:
        """Returns the raw columns `[rows]` of a request, by field; the graph fails where it is none of this form.

        Args:
            request: the inputs.
            problem: what to say of a wrong number of rows, see `require_equal_rows`.
        """
        inputs = require_equal_rows(request, self.lists, self.num_rows, problem)
        if self.separator is not None:
            return lines.columns_of(inputs[lines.INPUT], list(self.fields.values()), self.separator)
        return texts_of(inputs, self.lists) if self.lists else inputs


@dataclass(frozen=True)
class UserForm:
    """The inputs of a signature of one user and many items.

    Attributes:
        user: the fields that are sent once, `[1]`, or `[1, values]`.
        items: all others.
    """

    user: RequestForm
    items: RequestForm

    @classmethod
    def of(cls, pipeline: Pipeline, form: RequestForm) -> "UserForm | None":
        """Returns the form of the same fields with `export_config.user_fields` apart; None where there are none."""
        names = {name for name in pipeline.export_config.user_fields if name in form.fields}
        if not names or form.separator is not None:
            return None

        def part(is_user: bool) -> RequestForm:
            fields = {name: field for name, field in form.fields.items() if (name in names) is is_user}
            lists = {name: one for name, one in form.lists.items() if name in fields}
            return RequestForm(fields, lists, None, 1 if is_user else form.num_rows)

        return cls(part(True), part(False))

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Returns the inputs by name."""
        return {**self.user.specs(), **self.items.specs()}

    def columns(self, request: Tensors) -> dict[str, tf.Tensor]:
        """Returns the raw columns, `[1]` of the user and `[rows]` of items; the graph fails where they are none."""
        user, items = ({name: request[name] for name in part.fields} for part in (self.user, self.items))
        return {**self.user.columns(user, _OF_USER), **(self.items.columns(items) if items else {})}

    def repeated(self, columns: Tensors) -> dict[str, tf.Tensor]:
        """Returns all columns `[rows]`."""
        items = [columns[name] for name in self.items.fields]
        num_rows = tf.shape(items[0]) if items else tf.constant([1])
        return {
            name: tf.tile(column, num_rows) if name in self.user.fields else column for name, column in columns.items()
        }
