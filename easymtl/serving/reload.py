"""Scores rows with signatures of a SavedModel; run as a program of its own, which imports nothing of easymtl.

python -I reload.py <<< '["SAVED_MODEL", "REQUESTS", "SCORES"]'

It imports TensorFlow, then waits for this line of JSON; without one it ends.

It does as TensorFlow Serving does: the SignatureDef says which tensor of the graph stands behind each name, and of what
shape it is: where that has a number of rows, each request has as many. The folder REQUESTS holds the inputs of each
signature that is asked, as Arrow files under its name, and SCORES gets a file of the same name for each:

    encoded            by way of `encode`, whose inputs these are
    user_once          all rows hold the same in the inputs of the user
"""

import gc
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import tensorflow as tf

Arrays = dict[str, np.ndarray]
Shapes = Mapping[str, list]
Ask = Callable[[str, Arrays], Arrays]


def main() -> None:
    """Imports TensorFlow, waits to be told what to load, and scores all rows."""
    # What is imported stays: to look for garbage in it takes a quarter of the time.
    gc.disable()
    import tensorflow  # noqa: F401

    gc.freeze()
    gc.enable()
    line = sys.stdin.readline()
    if not line:
        return
    folder, source, target = json.loads(line)
    scores = scores_of(folder, {path.name: read(path) for path in sorted(Path(source).iterdir())})
    assert "easymtl" not in sys.modules, "a SavedModel must not need easymtl"
    for name, arrays in scores.items():
        result = pa.table({key: pa.array(list(value)) for key, value in arrays.items()})
        with pa.OSFile(str(Path(target) / name), "wb") as file, pa.ipc.new_file(file, result.schema) as writer:
            writer.write_table(result)


def read(path: Path) -> pa.Table:
    """Returns the columns of a file."""
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()


def scores_of(folder: str, requests: Mapping[str, pa.Table]) -> dict[str, Arrays]:
    """Returns the outputs of each signature of a SavedModel that is asked."""
    import tensorflow as tf

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        return answers(*opened(folder, session), requests)


def answers(ask: Ask, shapes: Mapping[str, Shapes], requests: Mapping[str, pa.Table]) -> dict[str, Arrays]:
    """Returns the outputs of each signature that is asked, from what `opened` returns."""
    found = {}
    for name, columns in requests.items():
        inputs = arrays_of(columns)
        if name == "encoded":
            found[name] = in_parts(lambda part: ask("encoded", ask("encode", part)), shapes["encode"], inputs)
        elif name == "user_once":
            found[name] = of_one_user(partial(ask, name), shapes[name], inputs)
        else:
            found[name] = in_parts(partial(ask, name), shapes[name], inputs)
    return found


def opened(folder: str, session: "tf.compat.v1.Session") -> tuple[Ask, dict[str, Shapes]]:
    """Returns what asks a signature of a SavedModel, and the shapes of the inputs of each, None for any size."""
    import tensorflow as tf

    model = tf.compat.v1.saved_model.load(session, ["serve"], folder)

    def ask(name: str, inputs: Arrays) -> Arrays:
        signature = model.signature_def[name]
        feed = {signature.inputs[key].name: value for key, value in inputs.items()}
        return session.run({key: info.name for key, info in signature.outputs.items()}, feed)

    shapes: dict[str, Shapes] = {
        name: {
            key: [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim]
            for key, info in signature.inputs.items()
        }
        for name, signature in model.signature_def.items()
    }
    return ask, shapes


def arrays_of(columns: pa.Table) -> Arrays:
    """Returns values `[rows]`, or lists of equal lengths as `[rows, values]`, by name."""
    return {name: tensor_of(column) for name, column in zip(columns.column_names, columns.columns)}


def tensor_of(column: pa.ChunkedArray) -> np.ndarray:
    """Returns values `[rows]`, or lists of equal lengths as `[rows, values]`."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)


def of_one_user(ask: Callable[[Arrays], Arrays], shapes: Shapes, inputs: Arrays, most: int = 0) -> Arrays:
    """Returns the outputs of `user_once` for rows that all hold the same in the inputs of the user."""
    of_items = {name: shape for name, shape in shapes.items() if shape[0] != 1}
    if not of_items:
        return in_parts(ask, shapes, inputs, most)
    user = {name: values[:1] for name, values in inputs.items() if name not in of_items}
    return in_parts(lambda part: ask(user | part), of_items, inputs, most)


def in_parts(ask: Callable[[Arrays], Arrays], shapes: Shapes, inputs: Arrays, most: int = 0) -> Arrays:
    """Returns the outputs for all rows, asked in requests of as many rows as the model takes.

    Args:
        ask: returns the outputs for inputs.
        shapes: of the inputs.
        inputs: all rows.
        most: rows of a request where the model takes any number; 0 for all.
    """
    num_rows = next(iter(shapes.values()))[0] or -1
    of_model = {name: inputs[name] for name in shapes}
    parts = [
        {name: value[:count] for name, value in ask(request).items()}
        for count, request in requests(of_model, num_rows, most)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def requests(inputs: Arrays, num_rows: int, most: int = 0) -> Iterator[tuple[int, Arrays]]:
    """Yields requests of `num_rows` rows, and how many of them are rows of `inputs`.

    If it is not fixed it is one request, or several of `most` rows. The last row fills up the last request.
    """
    total = len(next(iter(inputs.values())))
    if num_rows <= 0:
        size = most or max(total, 1)
        for first in range(0, max(total, 1), size):
            yield min(size, total - first), {name: values[first : first + size] for name, values in inputs.items()}
        return
    for first in range(0, total, num_rows):
        places = np.minimum(np.arange(first, first + num_rows), total - 1)
        yield min(num_rows, total - first), {name: values[places] for name, values in inputs.items()}


if __name__ == "__main__":
    main()
