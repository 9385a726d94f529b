"""The scores of a SavedModel, computed in this process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.features.columns import text_tensor


def score_here(folder: Path, columns: Mapping[str, pa.Array]) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process."""
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    tensors = {
        keyword: text_tensor(columns[spec.name])
        if spec.dtype == tf.string
        else tf.constant(columns[spec.name].to_pylist(), spec.dtype)
        for keyword, spec in serve.structured_input_signature[1].items()
    }
    return {name: value.numpy() for name, value in serve(**tensors).items()}
