"""The program `saved_model_cli`, which TensorFlow installs: rows in .npz files, scores in .npy files."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.errors import UserError
from easymtl.server.signature import Signature
from easymtl.serving.reload import Arrays
from easymtl.ways.asking import ask_all, signatures_in
from easymtl.ways.way import Rows, Scores, Unsayable

_MOST_RUNS = 20
# Bytes that file systems have for a name, without those of ".npy".
_LONGEST_NAME = 251
_PROGRAM = "saved_model_cli"


class SavedModelCli:
    """Runs the program once for each signature, or for each request where the number of rows is fixed.

    Outputs that are texts are left out: it writes them as pickled objects, which nobody should load.
    """

    name = "saved_model_cli"

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        if _program().is_file():
            return None
        return f"{_program()} is not there: TensorFlow brings it, in the environment in which it is installed"

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output."""
        for signature in signatures_in(export).values():
            _check_sayable(signature, rows.num_rows)
        return ask_all(export, rows, lambda signature, inputs: _run(export, signature, inputs), most=0)


def _program() -> Path:
    return Path(sys.executable).with_name(_PROGRAM)


def _check_sayable(signature: Signature, num_rows: int) -> None:
    for name in signature.inputs:
        if ";" in name or "=" in name:
            raise Unsayable(f'its flag --inputs cannot name "{name}": it separates inputs by ";" and "="')
    for name in signature.outputs:
        if "/" in name or len(name.encode()) > _LONGEST_NAME:
            raise Unsayable(f'it writes the output "{name}" to a file of this name, which there cannot be')
    size = signature.fixed_rows
    if size and num_rows > _MOST_RUNS * size:
        raise Unsayable(
            f"each request has {size} rows, and the program starts anew for each: give --rows {_MOST_RUNS * size} or "
            "fewer"
        )


def _run(export: Path, signature: Signature, inputs: Arrays) -> Arrays:
    with tempfile.TemporaryDirectory() as work:
        file, out = Path(work) / "rows.npz", Path(work) / "scores"
        keys = {name: f"input_{place}" for place, name in enumerate(inputs)}
        named: dict[str, Any] = {keys[name]: _plain(values) for name, values in inputs.items()}
        np.savez(file, **named)
        command = [
            *(sys.executable, _program(), "run", "--dir", export, "--tag_set", "serve"),
            *("--signature_def", signature.name, "--outdir", out),
            *("--inputs", ";".join(f"{name}={file}[{key}]" for name, key in keys.items())),
        ]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        run = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment)
        if run.returncode != 0:
            raise UserError(f"{_PROGRAM} failed:\n{run.stderr[-2000:]}")
        numbers = [name for name, output in signature.outputs.items() if output.dtype.name != "string"]
        return {name: np.load(out / f"{name}.npy", allow_pickle=False) for name in numbers}


def _plain(values: np.ndarray) -> np.ndarray:
    """Returns texts as an array of bytes, which holds none that ends with a byte 0; with such ones, as it is."""
    texts = values.ravel().tolist() if values.dtype == object else []
    if values.dtype != object or any(text.endswith(b"\0") for text in texts):
        return values
    return np.array(texts, f"S{max([1, *map(len, texts)])}").reshape(values.shape)
