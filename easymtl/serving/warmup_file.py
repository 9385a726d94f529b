"""Reading a file of requests with which TensorFlow Serving warms a model up; no TensorFlow."""

import os
from collections.abc import Sequence
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
    (file,) = expand(path)
    try:
        with file.open() as stream:
            found = list(islice(frames(stream, file), MOST_RECORDS + 1))
        logs = _logs(path, [record for record, _ in found], [stored for _, stored in found])
    except UserError as error:
        raise UserError(
            f"export_config.asset_files: {error} A warm-up file is a TFRecord file of PredictionLog messages; leave it "
            "out, and the export makes one."
        ) from None
    if not logs:
        raise UserError(f"export_config.asset_files: {path}: it holds no request. Leave it out, or add some.")
    return logs


def _logs(path: str, records: Sequence[bytes], stored: Sequence[int]) -> list[PredictionLog]:
    if len(records) > MOST_RECORDS:
        raise UserError(f"{path}: it has more than {MOST_RECORDS} records, which no server loads.")
    for place, (found, wanted) in enumerate(zip(checksums(records), stored)):
        if int(found) != int(wanted):
            raise UserError(f"{path}: record {place} (the first is 0) does not have its checksum.")
    return [_parsed(record, f"{path}: record {place} (the first is 0)") for place, record in enumerate(records)]


def _parsed(record: bytes, where: str) -> PredictionLog:
    try:
        log = PredictionLog.FromString(record)
    except DecodeError:
        raise UserError(f"{where} is no PredictionLog.") from None
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        found = f"holds a {kind}" if kind else "is no PredictionLog"
        raise UserError(f"{where} {found}; the signatures of an export answer predict_log alone.")
    return log
