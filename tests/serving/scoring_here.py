"""The scores of a SavedModel, computed in this process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.features.columns import tensor_of
from easymtl.serving.reload import requests


def score_here(folder: Path, columns: Mapping[str, pa.Array]) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process."""
    # The function alone does not hold its variables.
    model = tf.saved_model.load(str(folder))
    serve = model.signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    inputs = {spec.name: tensor_of(columns[spec.name]).numpy() for spec in specs.values()}
    num_rows = next(iter(specs.values())).shape[0] or -1
    parts = []
    for count, request in requests(inputs, num_rows):
        answer = serve(**{keyword: tf.constant(request[spec.name], spec.dtype) for keyword, spec in specs.items()})
        parts.append({name: value.numpy()[:count] for name, value in answer.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
