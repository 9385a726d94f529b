"""Requests with which TensorFlow Serving warms a model up before it answers anyone: the first call takes seconds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.columns import tensor_of
from easymtl.protos.prediction_log_pb2 import PredictionLog, PredictRequest
from easymtl.serving import tf_example
from easymtl.serving.signatures import ENCODE, ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE, Signature
from easymtl.serving.warmup_file import read_warmup

SIZES = (1, 8, 64, 256)
"""Rows of the requests: what is prepared at the first call may depend on them."""

FURTHER_SIZES = (1, 64)
"""Rows of the requests of signatures other than `serving_default`: each is made ready at its own first call."""

Request = tuple[str, Mapping[str, tf.Tensor]]
Specs = Mapping[str, Mapping[str, tf.TensorSpec]]


def write_warmup(path: Path, model: str, requests: Iterable[Request]) -> None:
    """Writes a file of requests.

    Args:
        path: of the file.
        model: name of the model.
        requests: signature and inputs of each.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, tensor in inputs.items():
                request.inputs[name] = tf.make_tensor_proto(tensor.numpy()).SerializeToString()
            writer.write(log.SerializeToString())


def default_requests(columns: Mapping[str, pa.Array], sizes: Sequence[int] = SIZES) -> Iterator[Request]:
    """Yields a request of `serving_default` of each size.

    Args:
        columns: rows as a client sends them, by input, at least one; they come again where a size needs more.
        sizes: numbers of rows.
    """
    for size in sizes:
        yield SIGNATURE, _tensors(columns, size)


def further_requests(
    signatures: Mapping[str, Signature],
    columns: Mapping[str, pa.Array],
    examples: pa.Array,
    sizes: Sequence[int] = FURTHER_SIZES,
) -> Iterator[Request]:
    """Yields a request of each size of each further signature: a client of one of these must not meet a first call.

    Args:
        signatures: those that the model has.
        columns: rows as a client of `serving_default` sends them, at least one.
        examples: rows as a client of `tf_example` sends them, at least one.
        sizes: numbers of rows.
    """
    for size in sizes:
        rows = _tensors(columns, size)
        if ENCODE in signatures:
            yield ENCODE, rows
            yield ENCODED, signatures[ENCODE].function(rows)
        if TF_EXAMPLE in signatures:
            yield TF_EXAMPLE, _tensors({tf_example.INPUT: examples}, size)
        # A server that gathers requests refuses inputs of different lengths, and would not load the model.
        if USER_ONCE in signatures and size == 1:
            yield USER_ONCE, {name: rows[name] for name in signatures[USER_ONCE].inputs}


def _tensors(columns: Mapping[str, pa.Array], size: int) -> dict[str, tf.Tensor]:
    return {name: tensor_of(column) for name, column in first_rows(columns, size).items()}


def first_rows(columns: Mapping[str, pa.Array], count: int) -> dict[str, pa.Array]:
    """Returns the first `count` rows, again from the first one where there are fewer."""
    total = len(next(iter(columns.values())))
    places = pa.array(np.arange(count) % total)
    return {name: column.take(places) for name, column in columns.items()}


def check_warmup(path: str, signatures: Specs) -> None:
    """Checks that a model can answer the requests of a warm-up file: a server would not load it otherwise.

    Args:
        path: of the file.
        signatures: the inputs of each signature of the model.

    Raises:
        UserError: a request is none of this model; the message names the record and the input.
    """
    for place, log in enumerate(read_warmup(path)):
        problem = _problem(log.predict_log.request, signatures)
        if problem:
            raise UserError(
                f"export_config.asset_files: {path}: record {place} (the first is 0) {problem} "
                "Make it for this model, or leave it out, and the export makes one."
            )


def _problem(request: PredictRequest, signatures: Specs) -> str:
    name = request.model_spec.signature_name or SIGNATURE
    if name not in signatures:
        return f'asks for the signature "{name}"; there are {quoted(signatures)}.{did_you_mean(name, signatures)}'
    specs = signatures[name]
    for extra in sorted(set(request.inputs) - set(specs)):
        return f'has an input "{extra}", and the model has none of this name.{did_you_mean(extra, specs)}'
    num_rows: dict[str, int] = {}
    for key, spec in specs.items():
        if key not in request.inputs:
            return f'lacks the input "{key}".'
        try:
            tensor = tf.make_ndarray(tensor_pb2.TensorProto.FromString(request.inputs[key]))
        except (DecodeError, TypeError, ValueError):
            return f'has no tensor in the input "{key}".'
        found = tf.TensorSpec(tensor.shape, tf.string if tensor.dtype.kind == "O" else tensor.dtype)
        if found.dtype != spec.dtype or not spec.shape.is_compatible_with(found.shape):
            return (
                f'holds {found.dtype.name} {list(tensor.shape)} in the input "{key}", which takes {spec.dtype.name} '
                f"{spec.shape.as_list()}."
            )
        if spec.shape[0] is None:
            num_rows[key] = tensor.shape[0]
    if len(set(num_rows.values())) > 1:
        shown = ", ".join(f"{key} {count}" for key, count in num_rows.items())
        return f"has inputs of different numbers of rows: {shown}."
    return ""
