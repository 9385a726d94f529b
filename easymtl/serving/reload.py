"""Scores a file of columns with a SavedModel; run as a program of its own, which imports nothing of easymtl.

python reload.py SAVED_MODEL COLUMNS.arrow SCORES.arrow
"""

import sys

import numpy as np
import pyarrow as pa
import tensorflow as tf


def main() -> None:
    """Loads the model and scores all rows of the columns file at once."""
    folder, source, target = sys.argv[1:]
    with pa.OSFile(source, "rb") as file:
        table = pa.ipc.open_file(file).read_all()
    serve = tf.saved_model.load(folder).signatures["serving_default"]
    inputs = serve.structured_input_signature[1].values()
    columns = {
        keyword: tf.constant(table[spec.name].to_pylist(), spec.dtype)
        for keyword, spec in zip(serve.structured_input_signature[1], inputs)
    }
    scores = {name: value.numpy() for name, value in serve(**columns).items()}
    arrays = {name: pa.array(list(np.asarray(value))) for name, value in scores.items()}
    assert "easymtl" not in sys.modules, "a SavedModel must not need easymtl"
    result = pa.table(arrays)
    with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
        writer.write_table(result)


if __name__ == "__main__":
    main()
