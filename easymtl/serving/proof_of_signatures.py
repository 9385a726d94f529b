"""Further rows on which an export is proved: those that signatures other than `serving_default` are asked for."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from easymtl.protos.example_pb2 import Example
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.proof_rows import ProofRows, joined
from easymtl.serving.request_form import RequestForm, UserForm
from easymtl.serving.request_rows import as_sent
from easymtl.serving.signatures import ENCODED, TF_EXAMPLE, USER_ONCE
from easymtl.serving.tf_example import ExampleForm

_MOST_EXAMPLES = 100
_MOST_ITEMS = 50


def with_further(rows: ProofRows, pipeline: Pipeline, form: RequestForm, signatures: Collection[str]) -> ProofRows:
    """Returns the rows with further ones behind them, if there are further signatures.

    First some of the rows once more, and all that have a value blanked, with the numbers that an example can hold;
    then, if there is `user_once`, some rows that have all the user of the first.

    Args:
        rows: see `proof_rows`.
        pipeline: the config.
        form: of `serving_default`.
        signatures: those that the model has.
    """
    if rows.raw is None or ENCODED not in signatures:
        return rows
    raw, read = rows.raw, rows.read
    chosen = pa.array(np.r_[: min(rows.num_rows, _MOST_EXAMPLES), rows.num_rows : raw.num_rows])
    raw_parts, read_parts = ([batch, narrowed(batch.take(chosen))] for batch in (raw, read))
    serialized = serialized_rows(raw_parts[-1], form, ExampleForm.of(pipeline, form))
    users = UserForm.of(pipeline, form)
    num_users = min(rows.num_rows, _MOST_ITEMS) if users else 0
    if users:
        raw_parts.append(of_first_user(raw.slice(0, num_users), users))
        read_parts.append(of_first_user(read.slice(0, num_users), users))
    raw, read = joined(raw_parts), joined(read_parts)
    return replace(
        rows,
        sent=as_sent(form, dict(zip(raw.schema.names, raw.columns))),
        read=read,
        raw=raw,
        examples=serialized,
        num_users=num_users,
        signatures=tuple(name for name in (ENCODED, TF_EXAMPLE, USER_ONCE) if name in signatures),
    )


def narrowed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns rows with DOUBLE numbers as float32 holds them: an example has no others."""
    for place, field in enumerate(batch.schema):
        if field.type == pa.float64():
            column = batch.column(place)
            with np.errstate(over="ignore"):
                narrow = column.to_numpy(zero_copy_only=False).astype(np.float32).astype(np.float64)
            is_null = column.is_null().to_numpy(zero_copy_only=False)
            batch = batch.set_column(place, field, pa.array(narrow, pa.float64(), mask=is_null))
    return batch


def of_first_user(batch: pa.RecordBatch, users: UserForm) -> pa.RecordBatch:
    """Returns rows that all have the first one's values of the fields of the user."""
    first = pa.array(np.zeros(batch.num_rows, np.int64))
    columns = [
        column.take(first) if name in users.user.fields else column
        for name, column in zip(batch.schema.names, batch.columns)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def serialized_rows(raw: pa.RecordBatch, form: RequestForm, examples: ExampleForm) -> pa.Array:
    """Returns the rows as examples, without what is missing: lists where a request holds such, else texts."""
    columns: Mapping[str, pa.Array] = dict(zip(raw.schema.names, raw.columns))
    lists = as_sent(replace(form, separator=None), columns) if form.lists else {}
    made = [Example() for _ in range(raw.num_rows)]
    for name in form.fields:
        values = lists[name].to_pylist() if name in form.lists else columns[name].to_pylist()
        kind = examples.kind(name)
        for example, value in zip(made, values):
            if value is not None:
                many = value if isinstance(value, list) else [value]
                many = [one.encode() if kind == "bytes_list" else one for one in many]
                getattr(example.features.feature[name], kind).value.extend(many)
    return pa.array([one.SerializeToString() for one in made], pa.binary())
