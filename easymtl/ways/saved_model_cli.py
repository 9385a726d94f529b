"""The program `saved_model_cli`, which TensorFlow installs: rows in .npz files, scores in .npy files."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from easymtl.errors import UserError, quoted
from easymtl.server.signature import Signature
from easymtl.serving.reload import Arrays
from easymtl.ways.asking import ask_all, signatures_in
from easymtl.ways.way import Rows, Scores, Unsayable

_MOST_RUNS = 20
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
    _refuse(signature.inputs, ";=\n", "its flag --inputs separates names")
    _refuse(signature.outputs, "/", "it names the file of an output after it")
    size = signature.fixed_rows
    if size and num_rows > _MOST_RUNS * size:
        raise Unsayable(
            f"each request has {size} rows, and the program starts anew for each: give --rows {_MOST_RUNS * size} or "
            "fewer"
        )


def _refuse(names: Iterable[str], letters: str, why: str) -> None:
    found = [name for name in names if any(letter in name for letter in letters)]
    if found:
        raise Unsayable(f"{quoted(found, 3)} cannot be named: {why} by {letters.strip()!r}")


def _run(export: Path, signature: Signature, inputs: Arrays) -> Arrays:
    with tempfile.TemporaryDirectory() as work:
        file, out = Path(work) / "rows.npz", Path(work) / "scores"
        keys = {name: f"input_{place}" for place, name in enumerate(inputs)}
        named: dict[str, Any] = {keys[name]: _plain(name, values) for name, values in inputs.items()}
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


def _plain(name: str, values: np.ndarray) -> np.ndarray:
    """Returns texts as an array of bytes and not of objects, which a file would hold pickled."""
    if values.dtype != object:
        return values
    texts = values.ravel().tolist()
    if any(text.endswith(b"\0") for text in texts):
        raise Unsayable(f'input "{name}" holds a text that ends with a byte 0, which an array of NumPy forgets')
    return np.array(texts, f"S{max([1, *map(len, texts)])}").reshape(values.shape)
