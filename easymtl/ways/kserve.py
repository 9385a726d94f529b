"""Requests of KServe's protocol, version 2, over HTTP: a header of JSON, and the bytes of the tensors behind it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

import numpy as np

from easymtl.errors import UserError

LENGTH = "Inference-Header-Content-Length"

_TYPES = {
    "BOOL": np.bool_,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}
_NAMES = {np.dtype(dtype): name for name, dtype in _TYPES.items()}
_SECONDS = 60


def infer(model: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the outputs of a model, by name.

    Args:
        model: its address, `http://host:8000/v2/models/<name>`.
        inputs: by name.

    Raises:
        UserError: it does not answer, or refuses the request.
    """
    arrays = {name: np.ascontiguousarray(values) for name, values in inputs.items()}
    header = {
        "inputs": [
            {
                "name": name,
                "shape": values.shape,
                "datatype": _NAMES[values.dtype],
                "parameters": {"binary_data_size": values.nbytes},
            }
            for name, values in arrays.items()
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(header).encode()
    body = b"".join([text, *(values.tobytes() for values in arrays.values())])
    headers = {LENGTH: str(len(text)), "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"{model}/infer", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return _outputs(answer.read(), answer.headers.get(LENGTH))
    except ValueError as error:
        raise UserError(f"{model} answers with tensors that cannot be read: {error}") from None
    except urllib.error.HTTPError as error:
        raise UserError(f"{model} answers {error.code}: {error.read().decode(errors='replace')[:1000]}") from None
    except OSError as error:
        raise UserError(f"{model} does not answer: {error}") from None


def _outputs(body: bytes, length: str | None) -> dict[str, np.ndarray]:
    end = int(length) if length else len(body)
    result = {}
    for output in json.loads(body[:end])["outputs"]:
        dtype = np.dtype(_TYPES[output["datatype"]])
        if "data" in output:
            values = np.array(output["data"], dtype)
        else:
            size = output["parameters"]["binary_data_size"]
            values = np.frombuffer(body, dtype, size // dtype.itemsize, end)
            end += size
        result[output["name"]] = values.reshape(output["shape"])
    return result
