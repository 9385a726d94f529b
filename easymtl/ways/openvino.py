"""OpenVINO on its files of an export, in float32."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from easymtl.serving.formats.openvino_network import OpenVinoNetwork
from easymtl.serving.formats.packages import OPENVINO
from easymtl.serving.signatures import ENCODED
from easymtl.ways.format_files import file_of, scores_of_packed
from easymtl.ways.way import Rows


class OpenVino:
    """Asks the files for the scores of packed rows, as of the signature `encoded`."""

    name = "openvino"

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        return None if find_spec("openvino") else "openvino is not installed: pip install 'easymtl[openvino]'"

    def scores(self, export: Path, rows: Rows) -> dict[str, dict[str, np.ndarray]]:
        """Returns the scores of all rows, by signature and by output.

        Raises:
            Unsayable: the export has no such files.
            UserError: they do not score the rows.
        """
        return {ENCODED: scores_of_packed(OpenVinoNetwork, file_of(export, OPENVINO), rows.packed)}
