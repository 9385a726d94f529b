"""Calls SavedModels as a server would and says how long it took; run as a program of its own, without easymtl.

    python serving_calls.py REQUEST.json

The request names `models`: for each what is put behind the names of its calls, and the folders of its `export` and of
the `parts` that `benchmarks.latency` saved beside it; a Parquet file of `rows`, the threads between (`inter`) and
within operations (`intra`), and the `calls` of each batch size. Prints seconds as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

WARM_UP = 30
Columns = dict[str, list]
Arrays = Mapping[str, np.ndarray]


class Signature:
    """A signature of a SavedModel in a session.

    It is called as servers call it, by the list of its tensors: `Session.run`, and a function that
    `tf.saved_model.load` returns, take some 15 µs of Python for each input, more than a small model computes in all.

    Attributes:
        inputs: the NumPy type of each.
    """

    def __init__(self, session: tf.compat.v1.Session, definition: Any):
        self.inputs = {name: tf.as_dtype(one.dtype).as_numpy_dtype for name, one in definition.inputs.items()}
        self._outputs = list(definition.outputs)
        options = config_pb2.CallableOptions(
            feed=[one.name for one in definition.inputs.values()],
            fetch=[one.name for one in definition.outputs.values()],
        )
        self._call = session._make_callable_from_options(options)

    def __call__(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """Returns all outputs."""
        return dict(zip(self._outputs, self._call(*(arrays[name] for name in self.inputs))))


Model = Mapping[str, Callable[[Arrays], Arrays]]


def main() -> None:
    """Measures and prints, for each batch size, the seconds that passed and the processor's, by kind of call."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    config = tf.compat.v1.ConfigProto(
        inter_op_parallelism_threads=request["inter"], intra_op_parallelism_threads=request["intra"]
    )
    models = {behind: load(paths, config) for behind, paths in request["models"].items()}
    columns = pq.read_table(request["rows"]).to_pydict()
    found = {
        batch: measure(models, list(batches(columns, int(batch), number + WARM_UP)))
        for batch, number in request["calls"].items()
    }
    assert "easymtl" not in sys.modules, "a server has no easymtl"
    print(json.dumps(found))


def load(paths: Mapping[str, str], config: tf.compat.v1.ConfigProto) -> dict[str, Signature]:
    """Returns the signature for each kind of call."""
    return {"raw columns": signatures(paths["export"], config)["serving_default"], **signatures(paths["parts"], config)}


def signatures(folder: str, config: tf.compat.v1.ConfigProto) -> dict[str, Signature]:
    """Returns the signatures of a SavedModel; each keeps the session."""
    with tf.Graph().as_default():
        session = tf.compat.v1.Session(config=config)
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    return {
        name: Signature(session, one) for name, one in loaded.signature_def.items() if name != "__saved_model_init_op"
    }


def batches(columns: Columns, size: int, number: int) -> Iterator[Columns]:
    """Yields `number` requests of `size` rows, other rows each time until they have all been used."""
    num_rows = len(next(iter(columns.values())))
    for index in range(number):
        begin = index * size % (num_rows - size + 1)
        yield {name: values[begin : begin + size] for name, values in columns.items()}


def measure(models: Mapping[str, Model], requests: list[Columns]) -> dict[str, list]:
    """Returns (seconds, processor seconds) of each call after the warm-up, by kind; kinds and models take turns."""
    rounds = [
        {kind + behind: one for behind, model in models.items() for kind, one in call_each_kind(model, request).items()}
        for request in requests
    ][WARM_UP:]
    return {kind: [seconds[kind] for seconds in rounds] for kind in rounds[0]}


def call_each_kind(model: Model, request: Columns) -> dict[str, tuple[float, float]]:
    """Returns (seconds, processor seconds) of a call of each kind, see `benchmarks.latency`."""
    types = model["raw columns"].inputs
    raw, conversion = timed(lambda: {name: np.array(request[name], kind) for name, kind in types.items()})
    packed, encoder = timed(lambda: model["transform"](raw))
    return {
        "raw columns": timed(lambda: model["raw columns"](raw))[1],
        "encoder": encoder,
        "packed": timed(lambda: model["packed"](packed))[1],
        "nothing": timed(lambda: model["nothing"](raw))[1],
        "conversion": conversion,
    }


def timed(work: Callable) -> tuple[Any, tuple[float, float]]:
    """Returns what `work` returns, and the seconds and processor seconds that it took."""
    begin, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - begin, time.process_time() - processor)


if __name__ == "__main__":
    main()
