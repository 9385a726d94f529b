"""Scores a file of columns with a SavedModel; run as a program of its own, which imports nothing of easymtl.

python reload.py SAVED_MODEL COLUMNS.arrow SCORES.arrow

It does as TensorFlow Serving does: the SignatureDef says which tensor of the graph stands behind each name.
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
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = model.signature_def["serving_default"]
        request = {info.name: table[name].to_numpy() for name, info in signature.inputs.items()}
        scores = session.run({name: info.name for name, info in signature.outputs.items()}, request)
    arrays = {name: pa.array(list(np.asarray(value))) for name, value in scores.items()}
    assert "easymtl" not in sys.modules, "a SavedModel must not need easymtl"
    result = pa.table(arrays)
    with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
        writer.write_table(result)


if __name__ == "__main__":
    main()
