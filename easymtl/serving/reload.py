"""Scores a file of columns with a SavedModel; run as a program of its own, which imports nothing of easymtl.

python reload.py SAVED_MODEL COLUMNS.arrow SCORES.arrow

It does as TensorFlow Serving does: the SignatureDef says which tensor of the graph stands behind each name, and of what
shape it is: where that has a number of rows, each request has as many.
"""

import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import tensorflow as tf


def main() -> None:
    """Loads the model and scores all rows of the columns file at once."""
    folder, source, target = sys.argv[1:]
    with pa.OSFile(source, "rb") as file:
        table = pa.ipc.open_file(file).read_all()
    arrays = {name: pa.array(list(value)) for name, value in scores_of(folder, table).items()}
    assert "easymtl" not in sys.modules, "a SavedModel must not need easymtl"
    result = pa.table(arrays)
    with pa.OSFile(target, "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
        writer.write_table(result)


def scores_of(folder: str, table: pa.Table) -> dict[str, np.ndarray]:
    """Returns the outputs of a SavedModel by name, of all rows of the columns of a request."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        signature = model.signature_def["serving_default"]
        inputs = {info.name: tensor_of(table[name]) for name, info in signature.inputs.items()}
        outputs = {name: info.name for name, info in signature.outputs.items()}
        num_rows = next(iter(signature.inputs.values())).tensor_shape.dim[0].size
        parts = [
            {name: value[:count] for name, value in session.run(outputs, request).items()}
            for count, request in requests(inputs, num_rows)
        ]
    return {name: np.concatenate([part[name] for part in parts]) for name in outputs}


def tensor_of(column: pa.ChunkedArray) -> np.ndarray:
    """Returns values `[rows]`, or lists of equal lengths as `[rows, values]`."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)


def requests(inputs: dict[str, np.ndarray], num_rows: int) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yields requests of `num_rows` rows, and how many of them are rows of `inputs`; one request if it is not fixed.

    The last row fills up the last request.
    """
    total = len(next(iter(inputs.values())))
    size = num_rows if num_rows > 0 else total
    for first in range(0, total, size):
        places = np.minimum(np.arange(first, first + size), total - 1)
        yield min(size, total - first), {name: values[places] for name, values in inputs.items()}


if __name__ == "__main__":
    main()
