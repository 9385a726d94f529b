"""REST: JSON over HTTP, as TensorFlow Serving answers it."""

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.errors import UserError
from easymtl.server.signature import Signature
from easymtl.serving.reload import Arrays
from easymtl.serving.signatures import SIGNATURE, TF_EXAMPLE
from easymtl.ways.address import missing_packages, rest_address
from easymtl.ways.asking import ask_all
from easymtl.ways.desk_server import DeskServer
from easymtl.ways.way import Rows, Scores

_SECONDS = 600
_BY_ROW = (SIGNATURE, TF_EXAMPLE)
# A proxy knows no server of this machine.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_HERE = "http://127.0.0.1:"


class Rest:
    """Sends rows as JSON: one behind the other for `serving_default` and `tf_example`, columns for the others."""

    name = "rest"

    def __init__(self, desk: DeskServer, url: str | None = None, model: str | None = None):
        """Sends nothing yet.

        Args:
            desk: serves the export where no address is given.
            url: of a server that runs.
            model: its name there; else it is as in the export.
        """
        self._desk = desk
        self._url = url
        self._model = model

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        return None if self._url else missing_packages(is_server=True)

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output."""
        address = rest_address(self._url, export, self._model) if self._url else self._desk.served(export).rest
        return ask_all(export, rows, lambda signature, inputs: predict(address, signature, inputs))


def predict(address: str, signature: Signature, inputs: Arrays) -> Arrays:
    """Returns what a server answers.

    Args:
        address: of the model, without `:predict`.
        signature: that is asked.
        inputs: its inputs.

    Raises:
        UserError: it does not answer, or refuses.
    """
    columns = {name: _json(values.tolist()) for name, values in inputs.items()}
    is_by_row = signature.name in _BY_ROW and all(columns.values())
    body: dict[str, Any] = {"signature_name": signature.name}
    if is_by_row:
        body["instances"] = [dict(zip(columns, row)) for row in zip(*columns.values(), strict=True)]
    else:
        body["inputs"] = columns
    answer = _post(f"{address}:predict", json.dumps(body).encode())
    key = "predictions" if is_by_row else "outputs"
    if key not in answer:
        raise UserError(f'{address} answers without "{key}"')
    given = answer[key]
    outputs = signature.outputs
    if len(outputs) == 1:
        (name,) = outputs
        found = {name: given}
    elif is_by_row:
        found = {name: [row[name] for row in given] for name in outputs}
    else:
        found = {name: given[name] for name in outputs}
    return {name: _array(values, outputs[name].dtype.name == "string") for name, values in found.items()}


def _json(value: Any) -> Any:
    """Returns a value as JSON holds it: of bytes that are no UTF-8, `{"b64": ...}`."""
    if isinstance(value, list):
        return [_json(one) for one in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _post(url: str, body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        opened = _DIRECT.open if url.startswith(_HERE) else urllib.request.urlopen
        with opened(request, timeout=_SECONDS) as answer:
            document = json.load(answer)
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answers {error.code}: {error.read().decode(errors='replace')[:2000]}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{url} does not answer: {getattr(error, 'reason', error)}") from None
    if not isinstance(document, dict):
        raise UserError(f"{url} answers with what is no JSON object")
    return document


def _array(values: Any, is_text: bool) -> np.ndarray:
    if not is_text:
        return np.array(values)
    result = np.empty(len(values), object)
    result[:] = [base64.b64decode(one["b64"]) if isinstance(one, dict) else one.encode() for one in values]
    return result
