"""The page for a person: what the model takes, and the scores of a row that is typed or pasted."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.server import json_requests
from easymtl.server.desk import Desk
from easymtl.server.model import Model
from easymtl.server.signature import NO_PADDING, Signature, Tensor
from easymtl.server.warm_up import first_request, rows_of_missing
from easymtl.serving.signatures import SIGNATURE

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
"""The page loads nothing from anywhere, and is no part of another one."""


@cache
def page() -> bytes:
    """Returns the page, which asks for everything else."""
    return (Path(__file__).parent / "page.html").read_bytes()


def description(desk: Desk) -> dict[str, Any]:
    """Returns what the page shows of the version that is served.

    Raises:
        Refusal: none is.
    """
    with desk.model(desk.options.name) as model:
        signature = default_signature(model)
        example = example_row(model, signature)
        return {
            "model": desk.options.name,
            "version": str(model.version),
            "step": model.description.get("step"),
            "signature": signature.name,
            "rows": signature.fixed_rows,
            "line": model.description.get("line") if signature.name == SIGNATURE else None,
            "inputs": [_input(tensor, example[name]) for name, tensor in signature.inputs.items()],
            "outputs": [{"name": name, "type": tensor.dtype.name} for name, tensor in signature.outputs.items()],
        }


def default_signature(model: Model) -> Signature:
    """Returns the signature that is asked when a request names none, or the first if there is none such."""
    return model.signatures.get(SIGNATURE) or next(iter(model.signatures.values()))


def example_row(model: Model, signature: Signature) -> dict[str, Any]:
    """Returns a row as JSON holds it: the first of the warm-up requests, or one in which every value is missing."""
    arrays = first_request(model, signature) or rows_of_missing(model, signature, 1)
    row = {name: json_requests.values_of(name, array)[0] for name, array in arrays.items() if array.ndim and len(array)}
    return {name: _json_value(tensor, row.get(name)) for name, tensor in signature.inputs.items()}


def request_body(signature: Signature, example: dict[str, Any]) -> str:
    """Returns a request in the shortest form, as a line of JSON: one row, or as many as there have to be."""
    document: dict[str, Any] = {} if signature.name == SIGNATURE else {"signature_name": signature.name}
    short = next(iter(example.values())) if len(example) == 1 else example
    return json.dumps(document | {"instances": [short] * (signature.fixed_rows or 1)}, ensure_ascii=False)


def _json_value(tensor: Tensor, value: Any) -> Any:
    """Returns a value without NaN, which JSON lacks: of a list without what stands behind its last value."""
    if isinstance(value, list) and tensor.padding is not NO_PADDING:
        while value and (value[-1] == tensor.padding or (isinstance(value[-1], float) and math.isnan(value[-1]))):
            value = value[:-1]
        return value
    is_nan = isinstance(value, float) and not np.isfinite(value)
    return 0.0 if is_nan else value


def _input(tensor: Tensor, example: Any) -> dict[str, Any]:
    # What a script reads as a number would lose the last digits of a long one.
    is_long = isinstance(example, int) and abs(example) > 1 << 53
    return {
        "name": tensor.name,
        "type": tensor.dtype.name,
        "axes": tensor.axes,
        "is_list": tensor.shape is not None and len(tensor.shape) > 1,
        "missing": tensor.missing,
        "example": str(example) if is_long else example,
    }
