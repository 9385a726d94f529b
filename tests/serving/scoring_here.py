"""The scores of a SavedModel, computed in this process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from easymtl.serving.reload import scores_of


def score_here(folder: Path, columns: Mapping[str, pa.Array]) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process."""
    return scores_of(str(folder), pa.table(dict(columns)))
