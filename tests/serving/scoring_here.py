"""The scores of a SavedModel, computed in this process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from easymtl.serving.parity import of_signature, requests_of
from easymtl.serving.reload import scores_of


def score_here(
    folder: Path, columns: Mapping[str, pa.Array], examples: pa.Array | None = None, num_users: int = 0
) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process."""
    tables = {name: pa.table(dict(inputs)) for name, inputs in requests_of(columns, examples, num_users).items()}
    found = scores_of(str(folder), tables)
    return {of_signature(one, name): value for one, scores in found.items() for name, value in scores.items()}
