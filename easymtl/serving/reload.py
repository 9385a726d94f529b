"""Scores rows with all signatures of a SavedModel; run as a program of its own, which imports nothing of easymtl.

python reload.py SAVED_MODEL COLUMNS.arrow EXAMPLES.arrow NUM_USERS SCORES

It does as TensorFlow Serving does: the SignatureDef says which tensor of the graph stands behind each name, and of what
shape it is: where that has a number of rows, each request has as many. Of each signature, SCORES gets a file:

    serving_default    all rows
    encoded            all rows, by way of `encode`; this and those below only if there are examples
    tf_example         the examples
    user_once          the last NUM_USERS rows, all with the user of the first of them
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

Arrays = dict[str, np.ndarray]


def main() -> None:
    """Loads the model and scores all rows."""
    folder, source, examples, num_users, target = sys.argv[1:]
    scores = scores_of(folder, read(source), read(examples), int(num_users))
    assert "easymtl" not in sys.modules, "a SavedModel must not need easymtl"
    for name, arrays in scores.items():
        result = pa.table({key: pa.array(list(value)) for key, value in arrays.items()})
        with pa.OSFile(str(Path(target) / name), "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
            writer.write_table(result)


def read(path: str) -> pa.Table:
    """Returns the columns of a file."""
    with pa.OSFile(path, "rb") as file:
        return pa.ipc.open_file(file).read_all()


def scores_of(folder: str, columns: pa.Table, examples: pa.Table, num_users: int) -> dict[str, Arrays]:
    """Returns the outputs of each signature of a SavedModel that is asked, see `scores_of_all`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        model = tf.compat.v1.saved_model.load(session, ["serve"], folder)

        def ask(name: str, inputs: Arrays) -> Arrays:
            signature = model.signature_def[name]
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            return session.run({key: info.name for key, info in signature.outputs.items()}, feed)

        shapes = {
            name: {
                key: [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
                for key, info in signature.inputs.items()
            }
            for name, signature in model.signature_def.items()
        }
        values = {name: tensor_of(column) for name, column in zip(columns.column_names, columns.columns)}
        serialized = {name: column.to_numpy() for name, column in zip(examples.column_names, examples.columns)}
        return scores_of_all(ask, shapes, values, serialized, num_users)


def tensor_of(column: pa.ChunkedArray) -> np.ndarray:
    """Returns values `[rows]`, or lists of equal lengths as `[rows, values]`."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)


def scores_of_all(
    ask: Any, shapes: Mapping[str, Mapping[str, list]], columns: Arrays, examples: Arrays, num_users: int
) -> dict[str, Arrays]:
    """Returns the scores of each signature that is asked.

    Args:
        ask: returns the outputs of a signature for inputs.
        shapes: of the inputs of each signature, None for any size.
        columns: the inputs of `serving_default`.
        examples: the inputs of `tf_example`, by name; none if no further signature is to be asked.
        num_users: how many of the last rows `user_once` is asked for.
    """
    scores = {
        "serving_default": in_parts(lambda part: ask("serving_default", part), shapes["serving_default"], columns)
    }
    if examples:
        scores["encoded"] = in_parts(lambda part: ask("encoded", ask("encode", part)), shapes["encode"], columns)
    if examples and "tf_example" in shapes:
        scores["tf_example"] = in_parts(lambda part: ask("tf_example", part), shapes["tf_example"], examples)
    if num_users:
        last = {name: values[-num_users:] for name, values in columns.items()}
        of_items = {name: shape for name, shape in shapes["user_once"].items() if shape[0] != 1}
        user = {name: values[:1] for name, values in last.items() if name not in of_items}
        if of_items:
            items = {name: last[name] for name in of_items}
            scores["user_once"] = in_parts(lambda part: ask("user_once", user | part), of_items, items)
        else:
            scores["user_once"] = in_parts(lambda part: ask("user_once", part), shapes["user_once"], last)
    return scores


def in_parts(ask: Any, shapes: Mapping[str, list], inputs: Arrays) -> Arrays:
    """Returns the outputs for all rows, asked in requests of as many rows as the model takes."""
    num_rows = next(iter(shapes.values()))[0] or -1
    parts = [
        {name: value[:count] for name, value in ask(request).items()}
        for count, request in requests({name: inputs[name] for name in shapes}, num_rows)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def requests(inputs: Arrays, num_rows: int) -> Iterator[tuple[int, Arrays]]:
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
