"""A request that works, as JSON for REST and as lines that send it."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from easymtl.serving.signatures import SIGNATURE
from easymtl.serving.warmup import first_rows

FILE = "request.json"
NUM_ROWS = 2


def request_body(columns: Mapping[str, pa.Array], missing: Mapping[str, Any], count: int = NUM_ROWS) -> str:
    """Returns the body of a request of TensorFlow Serving's REST API, a row after the other.

    Args:
        columns: rows as a client sends them, by input.
        missing: what a client sends in place of NaN, for which JSON has no word, by input. Of lists of values NaN
            stays, which servers take and JSON does not have.
        count: how many rows.
    """
    values = {name: _values(column, missing.get(name)) for name, column in first_rows(columns, count).items()}
    rows = [dict(zip(values, row)) for row in zip(*values.values(), strict=True)]
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{"signature_name": "{SIGNATURE}", "instances": [\n  {lines}\n]}}\n'


def curl_line(name: str) -> str:
    """Returns the command that sends the file to TensorFlow Serving, or to another server of its REST API."""
    return f"curl -d @{FILE} http://localhost:8501/v1/models/{name}:predict"


def grpc_lines(name: str, inputs: Mapping[str, str]) -> str:
    """Returns the program in Python that sends the rows of the file by gRPC.

    Args:
        name: of the model.
        inputs: the type of each input, such as `string`.
    """
    return f"""\
import json

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

types = {json.dumps(dict(inputs), ensure_ascii=False)}
rows = json.load(open("{FILE}", encoding="utf-8"))["instances"]
request = predict_pb2.PredictRequest()
request.model_spec.name = "{name}"
request.model_spec.signature_name = "{SIGNATURE}"
for column, kind in types.items():
    request.inputs[column].CopyFrom(tf.make_tensor_proto([row[column] for row in rows], kind))
server = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel("localhost:8500"))
answer = server.Predict(request, timeout=30)
for output, value in sorted(answer.outputs.items()):
    print(output, tf.make_ndarray(value).tolist())
"""


def _values(column: pa.Array, missing: Any) -> list:
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        flat = _values(column.flatten(), None)
        rows = [flat[start : start + width] for start in range(0, len(flat), width)]
        # Of rows that were padded to the widest of many.
        used = max(place for row in rows for place, value in enumerate([None, *row]) if place < 2 or _tells(value))
        return [row[:used] for row in rows]
    values = column.to_pylist()
    if column.type == pa.float32():
        # The fewest digits that are this number: 0.7, not 0.699999988.
        values = [float(str(np.float32(value))) for value in values]
    return [missing if missing is not None and value != value else value for value in values]


def _tells(value: str | int | float) -> bool:
    """Returns whether a value of a list is no padding."""
    return value not in ("", -1) and value == value
