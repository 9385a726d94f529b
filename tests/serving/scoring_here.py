"""The scores of a SavedModel, computed in this process."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from easymtl.features.columns import tensor_of
from easymtl.serving.parity import of_signature
from easymtl.serving.reload import scores_of_all


def score_here(
    folder: Path, columns: Mapping[str, pa.Array], examples: pa.Array | None = None, num_users: int = 0
) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process."""
    # The function alone does not hold its variables.
    model = tf.saved_model.load(str(folder))
    specs = {
        name: {spec.name: (keyword, spec) for keyword, spec in function.structured_input_signature[1].items()}
        for name, function in model.signatures.items()
    }

    def ask(name, inputs):
        arguments = {
            specs[name][key][0]: tf.constant(value, specs[name][key][1].dtype) for key, value in inputs.items()
        }
        return {key: value.numpy() for key, value in model.signatures[name](**arguments).items()}

    shapes = {name: {key: spec.shape.as_list() for key, (_, spec) in found.items()} for name, found in specs.items()}
    arrays = {name: tensor_of(column).numpy() for name, column in columns.items()}
    serialized = {} if examples is None else {"examples": np.array(examples.to_pylist(), object)}
    found = scores_of_all(ask, shapes, arrays, serialized, num_users)
    return {of_signature(one, name): value for one, scores in found.items() for name, value in scores.items()}
