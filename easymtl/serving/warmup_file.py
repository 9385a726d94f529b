"""Reading a file of requests with which TensorFlow Serving warms a model up; no TensorFlow."""

import os
from itertools import islice

from google.protobuf.message import DecodeError

from easymtl.config.export_files import asset_files
from easymtl.data.paths import expand
from easymtl.data.record_frames import checksums, frames
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.prediction_log_pb2 import PredictionLog

FILE = "tf_serving_warmup_requests"
"""Its name in `assets.extra`, where servers look for it."""

MOST_RECORDS = 1000
"""A server refuses to load a model that has more."""

_OPTION = "export_config.asset_files:"
_ADVICE = (
    "A warm-up file is a TFRecord file of PredictionLog messages; leave it out, and the export makes one of evaluation "
    "rows."
)


def own_warmup(pipeline: Pipeline) -> str | None:
    """Returns the path of the warm-up file that a user brings, one of `asset_files`; None without one."""
    return next((path for path in asset_files(pipeline) if os.path.basename(path) == FILE), None)


def require_own_warmup(pipeline: Pipeline) -> None:
    """Reads the warm-up file that a user brings, if there is one.

    Raises:
        UserError: a server could not read it.
    """
    path = own_warmup(pipeline)
    if path is not None and os.path.isfile(path):
        read_warmup(path)


def read_warmup(path: str) -> list[PredictionLog]:
    """Returns the requests of a warm-up file.

    Raises:
        UserError: it is no TFRecord file, a record is no request of the predict API, or there are none or too many.
    """
    try:
        (file,) = expand(path)
        with file.open() as stream:
            found = list(islice(frames(stream, file), MOST_RECORDS + 1))
    except UserError:
        # What it says is for readers of data.
        raise UserError(f"{_OPTION} {path} is no TFRecord file, or a damaged one. {_ADVICE}") from None
    if not found:
        raise UserError(f"{_OPTION} {path} holds no request. {_ADVICE}")
    if len(found) > MOST_RECORDS:
        raise UserError(
            f"{_OPTION} {path} has more than {MOST_RECORDS} records, and no server loads a model with more."
        )
    records = [record for record, _ in found]
    return [
        _parsed(record, f"{_OPTION} {path}: record {place} (the first is 0)", is_whole=int(wanted) == int(stored))
        for place, ((record, stored), wanted) in enumerate(zip(found, checksums(records)))
    ]


def _parsed(record: bytes, where: str, is_whole: bool) -> PredictionLog:
    if not is_whole:
        raise UserError(f"{where} does not have its checksum. {_ADVICE}")
    try:
        log = PredictionLog.FromString(record)
    except DecodeError:
        raise UserError(f"{where} is no PredictionLog. {_ADVICE}") from None
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        found = f"holds a {kind}" if kind else "is no PredictionLog"
        raise UserError(f"{where} {found}; the signatures of an export answer a predict_log alone. {_ADVICE}")
    return log
