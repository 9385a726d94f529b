"""Scoring packed rows with the files of an export."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from easymtl.errors import UserError
from easymtl.serving.form_of_export import describe
from easymtl.serving.formats.onnx_network import OnnxNetwork
from easymtl.serving.formats.openvino_network import OpenVinoNetwork
from easymtl.serving.reload import in_parts
from easymtl.ways.way import Unsayable


def file_of(export: Path, name: str) -> Path:
    """Returns the file of a format of an export.

    Raises:
        Unsayable: the export has none.
    """
    files = describe(export).get("formats") or {}
    if name not in files:
        raise Unsayable(
            f"the export has no {name} file: write export_config {{ formats: [SAVED_MODEL, {name}] }} and export again"
        )
    return export / files[name]


def scores_of_packed(
    load: Callable[[Path], OnnxNetwork | OpenVinoNetwork], path: Path, packed: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the scores of packed rows, by output.

    Args:
        load: makes a network of a file.
        path: the file.
        packed: the inputs of `encoded`.

    Raises:
        UserError: the file cannot be loaded, or does not score the rows.
    """
    try:
        network = load(path)
        shapes = {name: [network.num_rows] for name in packed}
        return in_parts(network.ask, shapes, {name: np.asarray(values) for name, values in packed.items()})
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from None
