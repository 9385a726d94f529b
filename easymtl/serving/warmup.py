"""Requests with which TensorFlow Serving warms a model up before it answers anyone: the first call takes seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import tensor_pb2

from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.features.columns import tensor_of
from easymtl.protos.prediction_log_pb2 import PredictionLog, PredictRequest
from easymtl.serving.signatures import SIGNATURE
from easymtl.serving.warmup_file import read_warmup

SIZES = (1, 8, 64, 256)
"""Rows of the requests: what is prepared at the first call may depend on them."""

Specs = Mapping[str, Mapping[str, tf.TensorSpec]]


def write_warmup(path: Path, model: str, columns: Mapping[str, pa.Array], sizes: Sequence[int] = SIZES) -> None:
    """Writes a file of requests, one of each size.

    Args:
        path: of the file.
        model: name of the model.
        columns: rows as a client sends them, by input, at least one; they come again where a size needs more.
        sizes: numbers of rows.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in sizes:
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = SIGNATURE
            for name, column in first_rows(columns, size).items():
                request.inputs[name] = tf.make_tensor_proto(tensor_of(column).numpy()).SerializeToString()
            writer.write(log.SerializeToString())


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
        num_rows[key] = tensor.shape[0]
    if len(set(num_rows.values())) > 1:
        shown = ", ".join(f"{key} {count}" for key, count in num_rows.items())
        return f"has inputs of different numbers of rows: {shown}."
    return ""
