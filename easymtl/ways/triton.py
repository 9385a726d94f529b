"""The Triton Inference Server on its folder of an export, by KServe's protocol."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from easymtl.serving.formats.packages import ONNX
from easymtl.serving.formats.triton_folder import LARGEST_BATCH
from easymtl.serving.reload import in_parts
from easymtl.serving.signatures import ENCODED
from easymtl.ways.format_files import file_of
from easymtl.ways.kserve import infer
from easymtl.ways.triton_server import PYTHON, find_server, serving
from easymtl.ways.way import Rows

_ADVICE = (
    "in an environment of its own, pip install nvidia-pytriton onnxruntime 'numpy<2', and name its Python: "
    f"{PYTHON}=.../bin/python"
)

Arrays = dict[str, np.ndarray]


class Triton:
    """Starts the server of nvidia-pytriton's wheel and asks it for the scores of packed rows.

    That server has no backend for ONNX: the file runs in a model of the Python backend, behind the same
    `config.pbtxt`.
    """

    name = "triton"

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        found = find_server()
        if found is None:
            return f"nvidia-pytriton is not installed: {_ADVICE}"
        # The wheel says so itself; with a newer one, tensors arrive empty.
        _, _, numpy = found
        if int(numpy.split(".")[0]) > 1:
            return f"nvidia-pytriton needs NumPy 1, and beside it is {numpy}: {_ADVICE}"
        return None

    def scores(self, export: Path, rows: Rows) -> dict[str, dict[str, np.ndarray]]:
        """Returns the scores of all rows, by signature and by output.

        Raises:
            Unsayable: the export has no such folder.
            UserError: the server does not start, or it refuses a request.
        """
        (folder,) = (path.parent for path in file_of(export, ONNX).parents[1].glob("triton/*/config.pbtxt"))
        listed = json.loads((export / "assets.extra" / "signatures.json").read_text(encoding="utf-8"))[ENCODED]
        shapes = {name: one["shape"] for name, one in (listed["inputs"] | listed["outputs"]).items()}
        fixed = next(iter(listed["inputs"].values()))["shape"][0]
        packed = {name: np.asarray(values) for name, values in rows.packed.items()}
        requests = {name: [fixed or min(LARGEST_BATCH, rows.num_rows)] for name in packed}
        with serving(folder) as model:
            return {ENCODED: in_parts(lambda part: _ask(model, part, shapes), requests, packed)}


def _ask(model: str, packed: Arrays, shapes: Mapping[str, list]) -> Arrays:
    """Returns the outputs for a request; one value for each row is `[rows, 1]` where Triton makes batches."""
    is_batched = next(iter(shapes.values()))[0] is None
    wide = {name: values[:, None] if is_batched and values.ndim == 1 else values for name, values in packed.items()}
    found = infer(model, wide)
    return {name: values[:, 0] if is_batched and len(shapes[name]) == 1 else values for name, values in found.items()}
