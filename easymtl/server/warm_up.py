"""First calls, before a version is served: TensorFlow optimizes a graph when it first runs, which takes seconds."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from easymtl.errors import UserError
from easymtl.server.checks import Limits
from easymtl.server.model import Model
from easymtl.server.proto_requests import arrays_of
from easymtl.server.refusal import Refusal
from easymtl.server.signature import NO_PADDING, Arrays, Signature, Tensor
from easymtl.serving.warmup_file import FILE, MOST_RECORDS

REQUESTS = Path("assets.extra") / FILE

_SIZES = (1, 2, 64)
_NO_LIMITS = Limits(rows=1 << 31, bytes=1 << 31, seconds=0.0)


def warm_up(model: Model, tell: Callable[[str], None] = lambda text: None) -> None:
    """Calls all signatures with rows of missing values, and with the warm-up requests that the export holds.

    Args:
        model: a version that is not served yet.
        tell: is told of a warm-up file that is none, which is no reason not to serve the model.

    Raises:
        UserError: the model fails in another way than by refusing such a row.
    """
    for signature in model.signatures.values():
        for size in _SIZES:
            _call(model, signature, rows_of_missing(model, signature, size))
    for name, arrays in _requests(model, tell):
        _call(model, model.signatures[name], arrays)


def first_request(model: Model, signature: Signature) -> Arrays | None:
    """Returns the first warm-up request of a signature, None if there is none."""
    found = (arrays for name, arrays in _requests(model, lambda text: None) if name == signature.name)
    return next(found, None)


def rows_of_missing(model: Model, signature: Signature, rows: int) -> Arrays:
    """Returns a request in which every value is missing, or 0 where nothing says what stands for that."""
    line = model.description.get("line") or {}
    text = line["separator"] * (len(line["fields"]) - 1) if line else ""
    return {name: _filled(tensor, rows, text) for name, tensor in signature.inputs.items()}


def _filled(tensor: Tensor, rows: int, text: str) -> np.ndarray:
    shape = [rows if place == 0 else 1 for place in range(len(tensor.shape or ()))]
    shape = [size if wanted is None else wanted for size, wanted in zip(shape, tensor.shape or ())]
    value: Any = tensor.missing
    if value is None and tensor.padding is not NO_PADDING:
        value = tensor.padding
    if tensor.dtype == tf.string:
        return np.full(shape, (text if value is None else value).encode(), object)
    return np.full(shape, 0 if value is None else value, tensor.dtype.as_numpy_dtype)


def _call(model: Model, signature: Signature, arrays: Arrays) -> None:
    try:
        # A row that a signature refuses warms it up as well.
        with contextlib.suppress(tf.errors.InvalidArgumentError):
            model.run(signature, arrays)
    except tf.errors.OpError as error:
        raise UserError(f"{model.folder}: cannot score: {' '.join(error.message.split())}") from None


def _requests(model: Model, tell: Callable[[str], None]) -> Iterator[tuple[str, Arrays]]:
    """Yields the requests of the warm-up file that its signatures take."""
    path = model.folder / REQUESTS
    if not path.is_file():
        return
    num_records = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).take(MOST_RECORDS).as_numpy_iterator():
            num_records += 1
            log = prediction_log_pb2.PredictionLog.FromString(record)
            with contextlib.suppress(Refusal):
                request = log.predict_log.request
                signature = model.signature(request.model_spec.signature_name)
                yield signature.name, arrays_of(request.inputs, signature, _NO_LIMITS)[0]
    except (tf.errors.OpError, DecodeError) as error:
        tell(f"{path}: is not read on: {' '.join(str(error).split())}")
        return
    if not num_records:
        tell(f"{path}: holds no warm-up request.")
