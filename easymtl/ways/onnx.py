"""onnxruntime on the ONNX file of an export."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from easymtl.serving.formats.onnx_network import OnnxNetwork
from easymtl.serving.formats.packages import ONNX
from easymtl.serving.signatures import ENCODED
from easymtl.ways.format_files import file_of, scores_of_packed
from easymtl.ways.way import Rows


class Onnx:
    """Asks the file for the scores of packed rows, as of the signature `encoded`."""

    name = "onnx"

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        return None if find_spec("onnxruntime") else "onnxruntime is not installed: pip install 'easymtl[onnx]'"

    def scores(self, export: Path, rows: Rows) -> dict[str, dict[str, np.ndarray]]:
        """Returns the scores of all rows, by signature and by output.

        Raises:
            Unsayable: the export has no such file.
            UserError: the file does not score the rows.
        """
        return {ENCODED: scores_of_packed(OnnxNetwork, file_of(export, ONNX), rows.packed)}
