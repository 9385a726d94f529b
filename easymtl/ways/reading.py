"""Rows of files, as clients send them on every way and as training reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from easymtl.data.sources import open_source
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.proof_of_signatures import narrowed, of_first_user, serialized_rows
from easymtl.serving.proof_rows import encodable, joined, usable_batches
from easymtl.serving.request_form import RequestForm, UserForm
from easymtl.serving.request_rows import as_sent, sendable_part
from easymtl.serving.signatures import ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE
from easymtl.serving.tf_example import ExampleForm
from easymtl.ways.open_export import OpenExport
from easymtl.ways.way import Rows


class Batch(NamedTuple):
    """The same rows twice: with null where a value is missing, and as the reader hands them to training."""

    raw: pa.RecordBatch
    read: pa.RecordBatch


@dataclass(frozen=True)
class Asked:
    """What is sent, and what it was made from.

    Attributes:
        rows: what is sent.
        batches: the rows that each signature is asked for.
    """

    rows: Rows
    batches: Mapping[str, Batch]


def read_rows(pipeline: Pipeline, form: RequestForm, paths: str, most: int, encode: Encoder | None) -> Batch:
    """Returns the first rows of files that a request can hold.

    Args:
        pipeline: declares the fields.
        form: of a request.
        paths: the files.
        most: how many rows.
        encode: finds the rows that features cannot use, which `data_config.ignore_error` leaves out; None where there
            is no model to ask.

    Raises:
        UserError: the files cannot be read; it names file and row.
    """
    fields, forms = [*form.fields], text_forms(pipeline)
    reader = open_source(paths, pipeline.data_config, fields, forms=forms)
    raw_reader = open_source(paths, pipeline.data_config, fields, forms=forms, fills_defaults=False)
    batches: list[Batch] = []
    left = most
    for all_read, all_raw in usable_batches(reader, raw_reader, encode, max(most, 1)):
        raw, read = sendable_part(form, all_raw, all_read)
        if encode is not None:
            raw, read = encodable(raw, read, encode)
        batches.append(Batch(raw.slice(0, left), read.slice(0, left)))
        left -= batches[-1].raw.num_rows
        if left <= 0:
            break
    if not batches:
        return Batch(_none(raw_reader.schema), _none(reader.schema))
    return Batch(*(joined([*parts]) for parts in zip(*batches)))


def _none(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], kind) for kind in schema.types], schema=schema)


def asked_of(export: OpenExport, pipeline: Pipeline, form: RequestForm, batch: Batch) -> Asked:
    """Returns the rows in every form in which the export takes them.

    Raises:
        UserError: the export refuses them.
    """
    num_rows = batch.raw.num_rows
    if form.num_rows and not num_rows:
        raise UserError(f"{export.folder}: each request has {form.num_rows} rows, and there is none to be sent.")
    sent = _sent(form, batch)
    batches = {SIGNATURE: batch}
    packed = export.packed(sent)
    if packed:
        batches[ENCODED] = batch
    examples = of_user = None
    if TF_EXAMPLE in export.signatures:
        batches[TF_EXAMPLE] = narrow = Batch(narrowed(batch.raw), narrowed(batch.read))
        examples = serialized_rows(narrow.raw, form, ExampleForm.of(pipeline, form))
    users = _user_form(export, pipeline, form)
    # Without an item there is no user either.
    if users and num_rows:
        batches[USER_ONCE] = together = Batch(*(of_first_user(one, users) for one in batch))
        of_user = _sent(form, together)
    return Asked(Rows(sent, packed, num_rows, examples, of_user), batches)


def _sent(form: RequestForm, batch: Batch) -> dict[str, pa.Array]:
    return as_sent(form, dict(zip(batch.raw.schema.names, batch.raw.columns)))


def _user_form(export: OpenExport, pipeline: Pipeline, form: RequestForm) -> UserForm | None:
    """Returns which inputs of `user_once` are the user's, by their shapes; by the config where all have 1 row."""
    if USER_ONCE not in export.signatures:
        return None
    asked = Pipeline()
    asked.CopyFrom(pipeline)
    if form.num_rows != 1:
        inputs = export.signatures[USER_ONCE].inputs
        asked.export_config.user_fields[:] = [name for name, one in inputs.items() if (one.shape or (0,))[0] == 1]
    return UserForm.of(asked, form)
